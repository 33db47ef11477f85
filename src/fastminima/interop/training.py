"""A torch optimiser at work on a network: its steps counted, the risk followed.

Everything is float64 and on one thread, so that a run depends on its seed alone. The optimiser sees the mean loss

    sum_i w_i (f(x_i) - y_i)^2 / (2 sum_i w_i)

whose step sizes do not depend on the number of samples; what is recorded is the risk 1/2 sum_i w_i (f(x_i) - y_i)^2. Deep
networks have any of the four losses in place of the squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import sealed
from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError, OptionError
from fastminima.networks.activations.in_torch import torch_activation
from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.packages import import_optional

__all__ = ["NAMED", "Builder", "Trace", "Trainer", "named_builder", "one_torch_thread", "require_torch"]

F64 = NDArray[np.float64]
# an optimiser for these parameters, where the loss has this largest curvature
Builder = Callable[[list[Any], float], Any]

# records of a run, spread over the logarithm of its steps
_MARKS = 64
# with no bit of the parameters changed over so many steps, full batch, nothing will change any more
_IDLE = 20
_POWER_STEPS = 60


def require_torch() -> Any:
    """The torch package.

    Raises
    ------
    MissingDependencyError
        If it is not installed (extra `torch`).
    """
    return import_optional("torch", extra="torch", purpose="training with PyTorch's optimisers")


def _sgd(torch: Any, params: list[Any], curvature: float) -> Any:
    return torch.optim.SGD(params, lr=1.0 / curvature)


def _momentum(torch: Any, params: list[Any], curvature: float) -> Any:
    return torch.optim.SGD(params, lr=1.0 / curvature, momentum=0.9)


def _adam(torch: Any, params: list[Any], curvature: float) -> Any:
    return torch.optim.Adam(params, lr=1e-3)


def _adamw(torch: Any, params: list[Any], curvature: float) -> Any:
    return torch.optim.AdamW(params, lr=1e-3)


def _lbfgs(torch: Any, params: list[Any], curvature: float) -> Any:
    # torch's default tolerances are absolute: they would end a run wherever the risk is small in its unit
    return torch.optim.LBFGS(
        params, lr=1.0, max_iter=20, tolerance_grad=0.0, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )


NAMED: dict[str, Callable[[Any, list[Any], float], Any]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "adamw": _adamw,
    "lbfgs": _lbfgs,
}


def named_builder(name: str) -> Builder:
    """The builder of a named optimiser."""
    make = NAMED[name]
    return lambda params, curvature: make(require_torch(), params, curvature)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """One thread and torch's own random numbers put back afterwards: the same seed gives the same bits."""
    torch = require_torch()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of an optimiser.

    Attributes
    ----------
    steps, risk : ndarrays of shape (r,)
        Gradient evaluations made so far and the risk there, in float64; the first entry is the start, the last the end.
    end : OneHiddenLayer, DeepNetwork or None
        None where parameters left float64.
    """

    steps: NDArray[np.int64]
    risk: F64
    end: OneHiddenLayer | DeepNetwork | None


class Trainer:
    """The samples as tensors, and what is done with them.

    Parameters
    ----------
    data : Dataset
        Its float64 view.
    activation : PiecewiseLinear or Smooth
    steps : int
        Gradient evaluations after which a run ends; one call of the optimiser's `step` is never cut in two.
    batch_size : int or None
        Samples a batch, drawn without replacement until all have been seen; None: all of them at once.
    """

    def __init__(self, data: Dataset, activation: Any, steps: int, batch_size: int | None) -> None:
        self.torch = require_torch()
        self.activation, self.steps, self.batch_size = activation, steps, batch_size
        self.h = torch_activation(self.torch, activation)
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        self.X, self.y, self.w = (self.torch.tensor(np.asarray(v)) for v in (data.X, data.Y[:, 0], weight))
        self.total = float(weight.sum())
        marks = np.geomspace(1.0, max(steps, 1), _MARKS).round().astype(np.int64)
        self.marks = [*np.unique(marks).tolist(), math.inf]

    def _sum(self, params: list[Any], rows: Any) -> Any:
        W1, b1, W2, b2 = params
        X, y, w = (self.X, self.y, self.w) if rows is None else (self.X[rows], self.y[rows], self.w[rows])
        error = self.h(X @ W1.T + b1) @ W2 + b2 - y
        return 0.5 * (w * error * error).sum()

    def _loss(self, params: list[Any], rows: Any) -> Any:
        share = 1.0 if rows is None else len(rows) / len(self.y)
        return self._sum(params, rows) / (self.total * share)

    def risk(self, params: list[Any]) -> float:
        """The risk, or loss, of all samples."""
        with self.torch.no_grad():
            return float(self._sum(params, None))

    def _parameters(self, network: Any) -> list[Any]:
        return [self.torch.tensor(np.asarray(v), requires_grad=True) for v in network.parameters()]

    def _network(self, params: list[Any]) -> OneHiddenLayer | DeepNetwork | None:
        W1, b1, W2, b2 = (p.detach().numpy() for p in params)
        try:
            return OneHiddenLayer(W1, b1, W2, float(b2), self.activation)
        except NetworkError:
            return None

    def curvature(self, network: Any) -> float:
        """The largest absolute eigenvalue of the mean loss's Hessian, about: power iteration from a fixed start.

        It chooses a step size and decides nothing; 1 where it is 0.
        """
        torch, params = self.torch, self._parameters(network)
        product = self._hessian(params)
        v = torch.tensor(np.random.default_rng(0).standard_normal(sum(p.numel() for p in params)))
        size = 0.0
        for _ in range(_POWER_STEPS):
            v = product(v / v.norm())
            size = float(v.norm())
            if not 0.0 < size < math.inf:
                return 1.0
        return size

    def _hessian(self, params: list[Any]) -> Callable[[Any], Any]:
        """v -> H v, H the Hessian of the mean loss."""
        torch = self.torch
        gradient = torch.autograd.grad(self._loss(params, None), params, create_graph=True)
        flat = torch.cat([g.reshape(-1) for g in gradient])

        def product(v: Any) -> Any:
            return torch.cat(
                [p.reshape(-1) for p in torch.autograd.grad(flat @ v, params, retain_graph=True)]
            )

        return product

    def _batches(self, seed: int) -> Iterator[Any]:
        m, size = len(self.y), self.batch_size
        if size is None or size >= m:
            while True:
                yield None
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(m)
            for start in range(0, m - size + 1, size):
                yield self.torch.tensor(order[start : start + size])

    def run(
        self, network: OneHiddenLayer | DeepNetwork, build: Callable[[list[Any]], Any], seed: int
    ) -> Trace:
        """Train from a network until the steps are used up, nothing moves any more, or float64 is left.

        Raises
        ------
        OptionError
            If `build` makes no optimiser, or one whose `step` never evaluates the loss.
        """
        self.torch.manual_seed(seed)
        params = self._parameters(network)
        optimiser = build(params)
        if not (
            callable(getattr(optimiser, "step", None)) and callable(getattr(optimiser, "zero_grad", None))
        ):
            raise OptionError(
                "an optimiser must be made by a function of the parameters that returns a torch.optim.Optimizer, "
                f"got {type(optimiser).__name__}"
            )
        used, rows = 0, None

        def closure() -> Any:
            nonlocal used
            optimiser.zero_grad()
            loss = self._loss(params, rows)
            loss.backward()
            used += 1
            return loss

        steps, risks = [0], [self.risk(params)]
        marks = iter(self.marks)
        mark, batches = next(marks), self._batches(seed)
        before = [p.detach().clone() for p in params]
        while used < self.steps and math.isfinite(risks[-1]):
            rows, old = next(batches), used
            optimiser.step(closure)
            if used == old:
                raise OptionError(
                    f"{type(optimiser).__name__}.step(closure) did not call its closure, so nothing was evaluated"
                )
            if used < min(mark, self.steps):
                continue
            still = used - steps[-1] >= _IDLE and self.batch_size is None
            steps.append(used)
            risks.append(self.risk(params))
            if still and all(map(self.torch.equal, before, params)):
                break
            before = [p.detach().clone() for p in params]
            while mark <= used:
                mark = next(marks)
        return Trace(sealed(np.array(steps)), sealed(np.array(risks)), self._network(params))
