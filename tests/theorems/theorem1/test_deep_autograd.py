"""PyTorch at deep minima: a gradient of 0, a Hessian without negative eigenvalues, of the rank that theory predicts.

The Hessian is J^T M J, J from parameters to affine coefficients (what the loss sees of them), M the Hessian of the loss
there. Outputs move along the functions (1, P x) that the last layer reads, and in the range of Q along any (1, x): of f
outputs and d independent columns f (rho + 1) + rho (d + 1) - rho (rho + 1) ways. Where M is not singular that is the rank.
"""

from __future__ import annotations

import itertools
import math
import os

import numpy as np
import pytest

import fastminima as fm

torch = pytest.importorskip("torch")
FULL = bool(os.environ.get("FASTMINIMA_VERIFY"))
# PyTorch has no second derivative of hardsigmoid
ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "elu",
    "celu",
    "selu",
    "relu6",
    "hardtanh",
    "hardswish",
    "softshrink",
    "threshold",
]
LOSSES = ["squared", "huber", "logistic", "softmax"]
TABLE = [
    (h, depth, dy, loss)
    for h, depth, dy, loss in itertools.product(ACTIVATIONS, range(1, 6), range(1, 5), LOSSES)
]
CHOSEN = (
    TABLE
    if FULL
    else [(ACTIVATIONS[k % 10], 1 + k % 5, 1 + k % 4, LOSSES[(k + k // 4) % 4]) for k in range(20)]
)


def value_of(low, module):
    """The loss as a function of all parameters in one vector."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]
    sizes = [p.numel() for p in module.parameters()]
    X, Y = torch.tensor(low.data.X), torch.tensor(low.data.Y)
    weight = torch.ones(len(X)) if low.data.sample_weight is None else torch.tensor(low.data.sample_weight)
    kind, functional = type(low.objective).__name__, torch.nn.functional

    def value(flat):
        parts = [part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]
        f = torch.func.functional_call(module, dict(zip(names, parts, strict=True)), (X,))
        if kind == "Squared":
            rows = 0.5 * ((f - Y) ** 2).sum(1)
        elif kind == "Huber":
            rows = functional.huber_loss(f, Y, reduction="none", delta=low.objective.delta).sum(1)
        elif kind == "Logistic":
            # F.softplus switches to a line at 20
            rows = torch.logaddexp(torch.zeros_like(f), (1.0 - 2.0 * Y) * f).sum(1)
        else:
            rows = functional.cross_entropy(f, Y[:, 0].long(), reduction="none")
        return (weight * rows).sum()

    return value


def spectrum(low):
    """(|gradient|, eigenvalues of the Hessian), parameters scaled so that the Hessian's diagonal is 1 or 0."""
    module = low.network.to_torch()
    value = value_of(low, module)
    point = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    assert float(value(point)) == pytest.approx(low.loss, rel=1e-12, abs=1e-300)
    gradient = torch.autograd.functional.jacobian(value, point).numpy()
    H = torch.autograd.functional.hessian(value, point).numpy()
    return float(np.linalg.norm(gradient)), np.linalg.eigvalsh(0.5 * (H + H.T)), H


def predicted(low):
    rho, d = low.rank, int(np.linalg.matrix_rank(np.column_stack([np.ones(len(low.data.X)), low.data.X]))) - 1
    return low.fits.freedom * (rho + 1) + rho * (d + 1) - rho * (rho + 1)


def checked(low):
    gradient, eigenvalues, H = spectrum(low)
    largest = eigenvalues[-1]
    assert gradient <= 1e-11 * math.sqrt(largest * low.loss)
    assert eigenvalues[0] >= -1e-12 * largest
    # in parameters of equal curvature no direction of the Hessian is lost beside a steep one
    scale = np.sqrt(np.maximum(np.diag(H), 1e-6 * largest))
    level = np.linalg.eigvalsh(H / scale[:, None] / scale)
    return int((level > 1e-9 * level[-1]).sum())


@pytest.mark.parametrize("case", CHOSEN, ids=["-".join(map(str, c)) for c in CHOSEN])
def test_autograd_sees_a_degenerate_minimum(case):
    h, depth, dy, loss = case
    rng = np.random.default_rng([3, *(v for v in map(TABLE.index, [case]))])
    dx = int(rng.integers(2, 4))
    X = rng.standard_normal((30, dx))
    if loss == "softmax":
        Y = np.arange(30) % (dy + 1)
    elif loss == "logistic":
        Y = rng.integers(0, 2, (30, dy))
    else:
        Y = rng.standard_normal((30, dy))
    widths = tuple(min(dx, dy) + int(v) for v in rng.integers(0, 3, depth))
    # gains make some layers steep: one scale tells the ranks
    low = fm.spurious_minimum((X, Y), h, widths, loss=loss, gain=1.0)
    rank = checked(low)
    # of Huber loss rows beyond delta have no curvature
    assert rank == predicted(low) or (loss == "huber" and rank < predicted(low))


@pytest.mark.parametrize(
    ("name", "rank", "count"), [("diabetes", 11, 193), ("wine", 6, 123), ("iris", 5, 121)]
)
def test_ranks_of_the_theory(name, rank, count):
    sets = pytest.importorskip("sklearn.datasets")
    found = getattr(sets, f"load_{name}")()
    X, y = found.data, found.target
    if name == "diabetes":
        low = fm.spurious_minimum((X / X.std(axis=0), y), "relu", (16,))
    elif name == "wine":
        low = fm.spurious_minimum((X[:, :2], y), "relu", (8, 8), loss="softmax")
    else:
        low = fm.spurious_minimum((X[50:], y[50:]), "relu", (8, 8), loss="logistic")
    parameters = sum(W.size + len(b) for W, b in low.network.layers)
    assert (predicted(low), parameters) == (rank, count)
    assert checked(low) == rank
