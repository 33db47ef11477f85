"""No lower bound is above a network that PyTorch finds: another search, which shares no line with ours."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.stream import PassNetwork
from fastminima.landscape.bracket.lower_bound import lower_bounds

torch = pytest.importorskip("torch")


def trained(data, width, seed):
    """A network after L-BFGS from PyTorch's own initial weights, in float64."""
    torch.manual_seed(seed)
    hidden = torch.nn.Linear(data.n_features, width, dtype=torch.float64)
    module = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(width, 1, dtype=torch.float64))
    X, y = torch.tensor(data.X), torch.tensor(data.y)
    optimiser = torch.optim.LBFGS(module.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        risk = 0.5 * ((module(X)[:, 0] - y) ** 2).sum()
        risk.backward()
        return risk

    optimiser.step(closure)
    return fm.from_torch(module)


def one_input(rng):
    x = np.sort(rng.normal(size=40))
    return x[:, None], np.abs(x) + 0.3 * rng.normal(size=40)


def equal_inputs(rng):
    x = rng.integers(-3, 4, size=60).astype(float)
    return x[:, None], np.where(x == 0.0, 2.0, 0.0) + 0.2 * rng.normal(size=60)


def grid(rng):
    x = np.array([(u, v) for u in range(-4, 5) for v in range(3)], float)
    return x, np.cos(2 * x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=len(x))


@pytest.mark.parametrize("table", [one_input, equal_inputs, grid])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_no_network_that_pytorch_trains_is_below_the_bound(table, width):
    X, y = table(np.random.default_rng(5))
    data = fm.Dataset(X, y)
    bound = lower_bounds(data, [width])[width]
    assert bound.exact > 0
    risks = [exact_network_risk(PassNetwork.of(trained(data, width, seed)), data) for seed in range(5)]
    assert bound.exact <= min(risks)
    # the peer has learnt something: a bound is not tested by networks that are worse than a straight line
    assert min(risks) < fm.least_squares(data).exact.risk


def plane(rng):
    x = rng.normal(size=(30, 2))
    return x, np.abs(x[:, 0] + x[:, 1]) + 0.5 * rng.normal(size=30)


@pytest.mark.parametrize(("table", "width"), [(plane, 1), (one_input, 2), (equal_inputs, 2), (plane, 2)])
def test_no_network_that_pytorch_trains_is_below_what_cells_prove(table, width):
    """Branch and bound, whose bounds are above those for all slopes: ReLU networks alone."""
    X, y = table(np.random.default_rng(5))
    data = fm.Dataset(X, y)
    one = fm.bracket(data, width, n_starts=6)
    assert one.reason == "branch and bound"
    assert one.bound.slopes == (1.0, 0.0)
    assert one.bound.exact > lower_bounds(data, [width])[width].exact
    risks = [exact_network_risk(PassNetwork.of(trained(data, width, seed)), data) for seed in range(5)]
    assert one.bound.exact <= min(risks) < fm.least_squares(data).exact.risk
