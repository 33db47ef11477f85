"""The same for deep networks: any of the four losses of theorem 1 for them, the sum over rows and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastminima.errors import NetworkError
from fastminima.losses.pointwise import Huber, Logistic, Softmax
from fastminima.networks.deep_network import DeepNetwork
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum

from .training import Trainer

__all__ = ["DeepTrainer"]

# of the certified radius: the difference quotient of gradients stays inside the cell, where the loss is smooth
_STEP = 1e-3


class DeepTrainer(Trainer):
    """The samples of a deep minimum as tensors, and its loss.

    Parameters
    ----------
    low : DeepMinimum
    steps, batch_size
        As of `Trainer`.
    """

    def __init__(self, low: DeepMinimum, steps: int, batch_size: int | None) -> None:
        super().__init__(low.data, low.activation, steps, batch_size)
        self._low, self._phi = low, low.objective
        self._targets = self.torch.tensor(low.fits.loss_sum.targets.rounded())

    def _sum(self, params: list[Any], rows: Any) -> Any:
        X, T, w = (
            (self.X, self._targets, self.w)
            if rows is None
            else (self.X[rows], self._targets[rows], self.w[rows])
        )
        a = X
        for k in range(0, len(params) - 2, 2):
            a = self.h(a @ params[k].T + params[k + 1])
        f = a @ params[-2].T + params[-1]
        return (w * self._rows(f, T)).sum()

    def _rows(self, f: Any, T: Any) -> Any:
        """The loss of each row."""
        torch = self.torch
        if isinstance(self._phi, Softmax):
            return torch.logsumexp(f, dim=1) - (T * f).sum(dim=1)
        if isinstance(self._phi, Logistic):
            # softplus of torch is a line beyond 20
            return (torch.logaddexp(torch.zeros_like(f), f) - T * f).sum(dim=1)
        if isinstance(self._phi, Huber):
            size = (f - T).abs()
            inner = size.clamp(max=self._phi.delta)
            return (inner * (size - 0.5 * inner)).sum(dim=1)
        return 0.5 * ((f - T) ** 2).sum(dim=1)

    def _parameters(self, network: DeepNetwork) -> list[Any]:
        return [
            self.torch.tensor(np.asarray(part), requires_grad=True)
            for layer in network.layers
            for part in layer
        ]

    def _network(self, params: list[Any]) -> DeepNetwork | None:
        parts = [p.detach().numpy() for p in params]
        try:
            return DeepNetwork(
                tuple(zip(parts[::2], parts[1::2], strict=True)), self.activation, self._low.data.feature_names
            )
        except NetworkError:
            return None

    def _hessian(self, params: list[Any]) -> Callable[[Any], Any]:
        """v -> H v by differences of gradients: not every activation of torch has second derivatives."""
        torch = self.torch
        point = [p.detach().clone() for p in params]
        step = _STEP * min(self._low.radius, 1.0)

        def gradient(v: Any) -> Any:
            moved, at = [], 0
            for p in point:
                moved.append((p + v[at : at + p.numel()].reshape(p.shape)).requires_grad_())
                at += p.numel()
            found = torch.autograd.grad(self._loss(moved, None), moved)
            return torch.cat([g.reshape(-1) for g in found])

        return lambda v: (gradient(step * v) - gradient(-step * v)) / (2.0 * step)
