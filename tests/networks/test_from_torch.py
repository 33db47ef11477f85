"""Modules of PyTorch: each is taken as the function that it computes, or refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import ActivationError, FastMinimaError
from fastminima.networks.activations.from_torch import TORCH_MODULES
from fastminima.networks.activations.named import as_activation

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True)
def no_warning():
    """Numbers of tensors that track gradients are read without a warning of PyTorch's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def changed(module, **attributes):
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


class Renamed(nn.Softplus):
    """A subclass that computes what its base does."""


MODULES = [
    lambda: nn.CELU(),
    lambda: nn.CELU(0.3),
    lambda: nn.ELU(),
    lambda: nn.ELU(2.5, inplace=True),
    lambda: nn.GELU(),
    lambda: nn.GELU(approximate="tanh"),
    lambda: nn.Hardshrink(),
    lambda: nn.Hardshrink(1.3),
    lambda: nn.Hardsigmoid(),
    lambda: nn.Hardswish(),
    lambda: nn.Hardtanh(),
    lambda: nn.Hardtanh(-0.3, 2.7, inplace=True),
    lambda: nn.Identity(),
    lambda: nn.LeakyReLU(),
    lambda: nn.LeakyReLU(0.3),
    lambda: nn.LeakyReLU(1.7),
    lambda: nn.LeakyReLU(0),
    lambda: nn.LogSigmoid(),
    lambda: nn.Mish(),
    lambda: nn.PReLU(),
    lambda: nn.PReLU(init=0.7),
    lambda: nn.PReLU(init=0.7, dtype=torch.float64),
    lambda: nn.PReLU(init=0.7, dtype=torch.bfloat16),
    lambda: nn.PReLU(init=0.7).half(),
    lambda: nn.RReLU().eval(),
    lambda: nn.RReLU(0.1, 0.8).eval(),
    lambda: nn.ReLU(),
    lambda: nn.ReLU(inplace=True).train(),
    lambda: nn.ReLU6(),
    lambda: changed(nn.ReLU6(), max_val=3.0),
    lambda: nn.SELU(),
    lambda: nn.SiLU(),
    lambda: nn.Sigmoid(),
    lambda: nn.Softplus(),
    lambda: nn.Softplus(3.0),
    lambda: nn.Softplus(threshold=1),
    lambda: nn.Softplus(0.3, -2),
    lambda: nn.Softplus(100.0, 1.5),
    lambda: Renamed(2.0, 0.5),
    lambda: nn.Softshrink(),
    lambda: nn.Softshrink(1.75),
    lambda: nn.Softsign(),
    lambda: nn.Tanh(),
    lambda: nn.Tanhshrink(),
    lambda: nn.Threshold(0.1, 20.0),
    lambda: nn.Threshold(-1, -1),
    lambda: nn.Sigmoid().double().train(),
]


def in_float64(module):
    """The module with its parameters as float64 numbers, the same ones."""
    if not isinstance(module, nn.PReLU):
        return module
    return nn.PReLU(init=float(module.weight.detach()), dtype=torch.float64)


@pytest.mark.parametrize("make", MODULES, ids=lambda make: str(make()))
def test_a_module_is_the_function_that_it_computes(make):
    module = make()
    h = as_activation(module)
    t = np.unique(
        np.concatenate([np.linspace(-30, 30, 6001), np.linspace(-4, 4, 4001), 2.0 ** np.arange(-30, 8)])
    )
    with torch.no_grad():
        expected = in_float64(module)(torch.tensor(t)).numpy()
    np.testing.assert_allclose(h(t), expected, rtol=1e-13, atol=1e-14)
    # and as it stands in a network, which goes back to PyTorch as the same function
    network = fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, module)
    np.testing.assert_allclose(network.predict(t[:, None]), expected, rtol=1e-13, atol=1e-14)
    back = network.to_torch()(torch.tensor(t[:, None])).detach().numpy()[:, 0]
    np.testing.assert_allclose(back, expected, rtol=1e-12, atol=1e-14)


def test_every_module_that_is_known_is_compared_above():
    assert {type(make()).__name__ for make in MODULES} - {"Renamed"} == set(TORCH_MODULES)


@pytest.mark.parametrize("threshold", [0.5, 1, 2, 20])
def test_the_jump_of_softplus_is_part_of_what_is_proved(threshold):
    module = nn.Softplus(beta=1.5, threshold=threshold)
    pair = fm.counterexample(module)
    assert pair.certified
    assert fm.prove(pair).checked
    best, low = pair.global_minimum, pair.local_minimum
    for network, targets in ((best, pair.data.y), (low, np.full(3, 1 / 3))):
        outputs = module(torch.tensor(network.preactivations(pair.data))).numpy() @ network.W2 + network.b2
        np.testing.assert_allclose(outputs, targets, atol=1e-13)
    # within the radius the module's own risk is nowhere lower
    rng = np.random.default_rng(0)
    moves = rng.normal(size=(4000, 9))
    moves *= pair.radius / np.linalg.norm(moves, axis=1)[:, None]
    W1, b1 = low.W1 + moves[:, :4].reshape(-1, 2, 2), low.b1 + moves[:, 4:6]
    hidden = module(torch.tensor(pair.data.X @ W1.transpose(0, 2, 1) + b1[:, None])).numpy()
    outputs = (hidden * (low.W2 + moves[:, 6:8])[:, None]).sum(axis=2)
    outputs += (pair.data.y - outputs).mean(axis=1)[:, None]
    assert 0.5 * ((outputs - pair.data.y) ** 2).sum(axis=1).min() >= 1 / 3 - 1e-10


class Own(nn.Tanh):
    def forward(self, t):
        return torch.sin(t)


class Called(nn.Tanh):
    def __call__(self, t):
        return t


class Mine(nn.Module):
    def forward(self, t):
        return t


def hooked():
    module = nn.Tanh()
    module.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return module


def replaced():
    module = nn.Tanh()
    module.forward = torch.sin
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Own, "Own has a forward of its own, so it need not be Tanh's function; known are CELU"),
        (Called, "Called has a forward of its own"),
        (replaced, "torch.nn.Tanh has a forward of its own"),
        (hooked, "torch.nn.Tanh has forward hooks"),
        (
            Mine,
            "Mine has no counterpart here; known are CELU, .*Others can be written with Smooth.from_formula",
        ),
        (lambda: nn.Softmax(dim=0), "torch.nn.Softmax has no counterpart"),
        (lambda: nn.Sequential(nn.Tanh()), "torch.nn.Sequential has no counterpart"),
        (lambda: nn.Linear(2, 2), "torch.nn.Linear has no counterpart"),
        (lambda: nn.RReLU(), "RReLU draws its slopes at random while it trains"),
        (lambda: nn.PReLU(3), "PReLU has 3 slopes, one a channel"),
        (lambda: nn.PReLU(device="meta"), "weight of torch.nn.PReLU must be one real number"),
        (
            lambda: nn.PReLU(init=float("nan")),
            "torch.nn.PReLU is not taken: slope of leaky_relu must be a finite number",
        ),
        (lambda: nn.LeakyReLU(-0.5), "torch.nn.LeakyReLU is not taken: s_minus must be >= 0"),
        (lambda: nn.ELU(0), "torch.nn.ELU is not taken: alpha of elu must be > 0"),
        (lambda: nn.ELU("a"), "alpha of torch.nn.ELU must be one real number, got 'a'"),
        (lambda: nn.ELU(torch.ones(3)), "alpha of torch.nn.ELU must be one real number"),
        (lambda: nn.ELU(torch.tensor(2.0, requires_grad=True)), "torch.nn.ELU does not compute on a tensor"),
        (lambda: nn.Softplus(threshold=1e9), r"Softplus\(threshold=1e\+09\) overflows in PyTorch"),
        (lambda: nn.Softplus(threshold=float("nan")), r"Softplus\(threshold=nan\) overflows"),
        (lambda: nn.Softplus(beta=-1), "torch.nn.Softplus is not taken: beta of softplus_cut must be > 0"),
        (lambda: nn.Hardtanh(-1, float("inf")), "torch.nn.Hardtanh is not taken: max_val of hardtanh"),
        (lambda: changed(nn.GELU(), approximate="x"), "approximate='none' and 'tanh', this one has 'x'"),
        (lambda: torch.tanh, "tanh of PyTorch is no module: give one, such as torch.nn.Tanh()"),
        (lambda: nn.functional.softplus, "softplus of PyTorch is no module"),
        (lambda: nn.Tanh, "Tanh of PyTorch is no module"),
    ],
)
def test_what_is_not_a_known_function_is_refused_by_name(make, message):
    given = make()
    for taken in (
        as_activation,
        fm.counterexample,
        lambda h: fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, h),
        lambda h: fm.batched_risk(*([[[1.0]]], [[0.0]], [[1.0]], [0.0]), fm.Dataset([[1.0]], [1.0]), h),
    ):
        with pytest.raises(ActivationError, match=message):
            taken(given)


def test_a_module_that_computes_something_else_is_found_out(monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "softsign", lambda t: t / (1.001 + t.abs()))
    with pytest.raises(
        ActivationError, match=r"torch.nn.Softsign gives .* at t = -60, but softsign is -0.98"
    ):
        as_activation(nn.Softsign())
    monkeypatch.setattr(torch.nn.functional, "softsign", lambda t: t.sum())
    with pytest.raises(ActivationError, match=r"torch\.nn\.Softsign is not elementwise"):
        as_activation(nn.Softsign())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parameters_that_track_gradients_are_read_without_them(dtype):
    net = nn.Sequential(nn.Linear(2, 3), nn.PReLU(), nn.Linear(3, 1)).to(getattr(torch, dtype))
    taken = fm.OneHiddenLayer(net[0].weight, net[0].bias, net[2].weight[0], net[2].bias[0], net[1])
    assert np.array_equal(taken.W1, net[0].weight.detach().double().numpy())
    assert taken.b2 == float(net[2].bias.detach())
    assert taken == fm.OneHiddenLayer(
        [*net[0].weight], [*net[0].bias], [*net[2].weight[0]], net[2].bias[0], net[1]
    )
    assert all(p.requires_grad for p in net.parameters())
    X, y = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    data = fm.Dataset(X.requires_grad_(), y.requires_grad_())
    assert np.array_equal(data.X, X.detach().numpy())
    stacked = [p[None] for p in (net[0].weight, net[0].bias, net[2].weight[0])]
    risks = fm.batched_risk(*stacked, net[2].bias, data, net[1], dtype="float64")
    assert risks[0] == pytest.approx(taken.risk(data), rel=1e-12)


@pytest.mark.parametrize(
    "weights",
    [
        lambda: torch.ones(2, 1, dtype=torch.complex64),
        lambda: torch.ones(2, 1, device="meta"),
        lambda: torch.ones(2, 1).to_sparse(),
        lambda: torch.ones(2, 1, dtype=torch.bfloat16),
        lambda: torch.full((2, 1), float("nan"), requires_grad=True),
        lambda: [torch.ones(2, requires_grad=True), torch.ones(3)],
    ],
)
def test_tensors_that_are_no_parameters_are_named_errors(weights):
    with pytest.raises(FastMinimaError, match="W1"):
        fm.OneHiddenLayer(weights(), [0.0, 0.0], [1.0, 1.0], 0.0, "tanh")
