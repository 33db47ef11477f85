"""Networks of PyTorch: each is taken as the function that it computes, to the last bit, or refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import ActivationError, DataError, DataTypeError, NetworkError, OptionError

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True)
def quiet_and_repeatable():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def two_layers(activation=None, dtype=torch.float32, bias=True):
    layers = (
        nn.Linear(3, 5, bias=bias),
        nn.ReLU() if activation is None else activation,
        nn.Linear(5, 1, bias=bias),
    )
    return nn.Sequential(*layers).to(dtype)


class Functional(nn.Module):
    """The layers in another order than they are called in, and the activation in no module."""

    def __init__(self, function=torch.tanh, dropout=0.0):
        super().__init__()
        self.out = nn.Linear(5, 1)
        self.drop = nn.Dropout(dropout)
        self.hidden = nn.Linear(3, 5)
        self.loss = nn.MSELoss()
        self.function = function

    def forward(self, x):
        return self.out(self.drop(self.function(self.hidden(x)))).squeeze(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_are_taken_exactly_and_gradients_left_behind(dtype, bias):
    model = two_layers(dtype=dtype, bias=bias)
    state = torch.random.get_rng_state()
    net = fm.from_torch(model)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert np.array_equal(net.W1, model[0].weight.detach().double().numpy())
    assert np.array_equal(net.W2, model[2].weight.detach().double().numpy()[0])
    assert net.b2 == (float(model[2].bias.detach()) if bias else 0.0)
    assert np.array_equal(net.b1, model[0].bias.detach().double().numpy() if bias else np.zeros(5))
    assert net.activation == fm.relu
    X = np.random.default_rng(0).normal(size=(50, 3))
    with torch.no_grad():
        outputs = model(torch.tensor(X, dtype=dtype)).double().numpy()[:, 0]
    np.testing.assert_allclose(
        net.predict(X), outputs, rtol=0, atol=4e-6 if dtype == torch.float32 else 4e-15
    )


@pytest.mark.parametrize(
    "activation",
    [
        nn.Tanh(),
        nn.GELU(),
        nn.PReLU(),
        nn.Hardshrink(),
        nn.Softplus(),
        nn.LeakyReLU(0.3),
        nn.ReLU(inplace=True),
    ],
    ids=str,
)
def test_every_activation_that_is_known_by_itself_is_known_in_a_network(activation):
    for dtype in (torch.float32, torch.float64):
        model = two_layers(activation, dtype)
        with torch.no_grad():
            model[0].weight *= 30.0
        net = fm.from_torch(model)
        assert net.activation == fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, activation).activation


@pytest.mark.parametrize(
    "activation",
    ["relu", "gelu", "identity", fm.PiecewiseLinear(2.0, 0.5), fm.Smooth.from_formula(["sin", "t"], "wave")],
    ids=str,
)
def test_there_and_back(activation):
    W1 = np.random.default_rng(1).normal(size=(4, 3))
    net = fm.OneHiddenLayer(W1, [0.0, 1, 2, 3], [[1.0, 2, -1, 1]], [0.5], activation)
    assert fm.from_torch(fm.to_torch(net)) == net
    single = fm.to_torch(net, dtype="float32")
    assert {p.dtype for p in single.parameters()} == {torch.float32}
    assert single(torch.ones(2, 3)).dtype == torch.float32
    assert np.array_equal(fm.from_torch(single).W1, W1.astype(np.float32))
    assert fm.from_torch(fm.to_torch(net, torch.float64)) == net


def test_to_torch_takes_results_and_refuses_by_name():
    low = fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0]))
    assert fm.from_torch(fm.to_torch(low)) == low.network
    for dtype in ("half", torch.float16, 3):
        with pytest.raises(OptionError, match='dtype must be "float64", "float32"'):
            fm.to_torch(low, dtype)
    with pytest.raises(NetworkError, match=r"a parameter overflows torch.float32"):
        fm.to_torch(fm.OneHiddenLayer([[1e300]], [0.0], [1.0], 0.0, "relu"), "float32")
    with pytest.raises(DataTypeError, match="to_torch takes a OneHiddenLayer"):
        fm.to_torch(3)


def test_modules_that_change_nothing_are_passed_over():
    model = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Identity(), nn.Linear(3, 5)),
        nn.SiLU(),
        nn.Dropout(0.4),
        nn.Linear(5, 1),
    )
    with pytest.raises(NetworkError, match=r"'3' is Dropout in training mode.*eval\(\)"):
        fm.from_torch(model)
    assert fm.from_torch(model.eval()).activation == fm.activation("silu")
    weighted = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(weighted(nn.Linear(3, 5)), nn.ReLU(), nn.Linear(5, 1))
    assert np.array_equal(fm.from_torch(model).W1, model[0].weight.detach().double().numpy())
    assert fm.from_torch(nn.DataParallel(two_layers())).width == 5


def test_a_function_that_forward_calls_is_named_by_the_caller():
    model = Functional()
    with pytest.raises(NetworkError, match=r"Functional has no activation module.*activation='relu'"):
        fm.from_torch(model)
    net = fm.from_torch(model, "tanh", feature_names=["a", "b", "c"])
    assert net.activation == fm.activation("tanh")
    assert net.feature_names == ("a", "b", "c")
    assert np.array_equal(net.W1, model.hidden.weight.detach().double().numpy())
    with pytest.raises(NetworkError, match="Functional computes something else than its layers say"):
        fm.from_torch(model, "relu")
    with pytest.raises(NetworkError, match="'drop' is Dropout in training mode"):
        fm.from_torch(Functional(dropout=0.5), "tanh")


HOSTILE = {
    "scaled": lambda f: lambda self, x: 1.00005 * f(self, x),
    "shifted": lambda f: lambda self, x: f(self, x) + 1e-4,
    "skip": lambda f: lambda self, x: f(self, x) + 1e-3 * x[:, 0],
    "far out": lambda f: lambda self, x: f(self, x.clamp(-20, 20)),
    "one row": lambda f: lambda self, x: f(self, x) * (1 + 0.01 * (x.abs().sum(1) == 0)),
    "twice": lambda f: lambda self, x: torch.tanh(f(self, x)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_forward_that_does_something_else_is_found_out(name):
    kind = type("Hostile", (Functional,), {"forward": HOSTILE[name](Functional.forward)})
    for dtype in (torch.float32, torch.float64):
        with pytest.raises(NetworkError, match=r"Hostile computes something else .* at x = \["):
            fm.from_torch(kind().to(dtype), "tanh")


class Raises(Functional):
    def forward(self, x):
        raise RuntimeError("mine")


class Listed(Functional):
    def forward(self, x):
        return [super().forward(x)]


class Summed(Functional):
    def forward(self, x):
        return super().forward(x).sum()


class Scaled(Functional):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class Cube(nn.Module):
    def forward(self, x):
        return x**3


def three():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            three,
            r"3 linear layers \(Linear\(3, 5\) '0', Linear\(5, 4\) '2', Linear\(4, 1\) '4'\).*DeepNetwork.from_torch",
        ),
        (
            lambda: nn.Linear(3, 1),
            r"torch.nn.Linear is not one hidden layer: it has one linear layer \(Linear\(3, 1\) ''\)",
        ),
        (lambda: nn.Sequential(nn.ReLU()), "no linear layer, expected two"),
        (
            lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
            "2 outputs .*DeepNetwork.from_torch",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(4, 1)),
            "do not fit together in either order",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1)),
            r"BatchNorm1d \('1'\)",
        ),
        (
            lambda: two_layers(nn.BatchNorm1d(5, affine=False)),
            "'1' is torch.nn.BatchNorm1d, which is no part",
        ),
        (lambda: two_layers(nn.Softmax(dim=1)), "torch.nn.Softmax has no counterpart here"),
        (lambda: two_layers(nn.RReLU()), "RReLU draws its slopes"),
        (lambda: two_layers(Cube()), "'1' is Cube, which is no part of Linear layers .*activation="),
        (
            lambda: nn.Sequential(*two_layers(), nn.Sigmoid()),
            r"2 activations \(torch.nn.ReLU '1', torch.nn.Sigmoid '3'\)",
        ),
        (
            lambda: nn.Sequential(nn.Conv1d(3, 5, 1), nn.ReLU(), nn.Linear(5, 1)),
            r"Conv1d \('0'\) holds 'weight', 'bias'",
        ),
        (lambda: two_layers().to("meta"), "0.weight is on the device 'meta'"),
        (lambda: two_layers(dtype=torch.bfloat16), r"weight of '0' is torch.bfloat16, .*model.float\(\)"),
        (lambda: two_layers(dtype=torch.complex64), "weight of '0' is torch.complex64"),
        (
            lambda: nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 1)),
            "LazyLinear, whose size is not known",
        ),
        (lambda: two_layers(torch.jit.script(nn.ReLU())), "no part of Linear layers"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_one_hidden_layer_is_refused_by_name(make, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make()
    for taken in (fm.from_torch, lambda m: fm.decide(m, ([[1.0, 2.0, 3.0]], [1.0]))):
        with pytest.raises((NetworkError, ActivationError), match=message):
            taken(model)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Raises, r"Raises does not compute on a tensor of shape \(\d+, 3\): mine"),
        (Listed, "Listed gives a list, not a tensor"),
        (Summed, r"Summed gives a tensor of shape \(\)"),
        (Scaled, "Scaled holds 'scale' beside linear layers"),
    ],
)
def test_what_a_forward_may_do(kind, message):
    with pytest.raises(NetworkError, match=message):
        fm.from_torch(kind(), "tanh")


def test_a_module_of_ones_own_is_compared_where_its_function_is_named():
    cube = fm.activation("power", n=3)
    assert fm.from_torch(two_layers(Cube()), cube).activation == cube
    with pytest.raises(NetworkError, match="Sequential computes something else"):
        fm.from_torch(two_layers(Cube()), "tanh")


def test_weights_that_are_no_numbers_are_named():
    model = two_layers()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(NetworkError, match="W1 must hold finite"):
        fm.from_torch(model)
    with torch.no_grad():
        model[0].weight[:], model[0].bias[:] = 1.0, 3e38
    with pytest.raises(NetworkError, match=r"overflow torch.float32 everywhere"):
        fm.from_torch(model)


def test_layers_that_are_1_by_1_both_are_told_apart_by_what_the_module_computes():
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1))
    net = fm.from_torch(model)
    assert net.W1[0, 0] == float(model[0].weight.detach())

    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    model = Reversed()
    assert fm.from_torch(model, "tanh").W1[0, 0] == float(model.first.weight.detach())


@pytest.mark.parametrize("value", [3, None, "relu", [1.0], nn.Sequential, torch.ones(3), torch.relu])
def test_other_things_are_no_networks(value):
    with pytest.raises(DataTypeError, match=r"from_torch takes a torch.nn.Module or a state dict"):
        fm.from_torch(value)


def test_modules_go_where_networks_go():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    model, data = two_layers(dtype=torch.float64), fm.Dataset(X, y)
    net = fm.from_torch(model)
    assert fm.decide(model, (X, y)).network == fm.decide(net, data).network
    assert fm.polish(model, data).exact == fm.polish(net, data).exact
    assert fm.probe(model, (X, y), n=50).min_excess == fm.probe(net, data, n=50).min_excess
    assert fm.excess_risk(model, net, data) == 0.0
    with pytest.raises(DataError, match="takes 3 inputs, but the data have 2 features"):
        fm.decide(model, (X[:, :2], y))


# --- state dicts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_state_dicts_whatever_they_are_called(dtype):
    model = two_layers(dtype=dtype)
    expected = [v.double().numpy() for v in model.state_dict().values()]
    for names in (
        ["0.weight", "0.bias", "2.weight", "2.bias"],
        ["module.fc1.weight", "module.fc1.bias", "module.fc2.weight", "module.fc2.bias"],
        ["W1", "b1", "W2", "b2"],
    ):
        state = dict(zip(names, model.state_dict().values(), strict=True))
        for given in (state, dict(reversed(state.items()))):
            net = fm.from_torch(given, "relu")
            assert all(
                np.array_equal(mine, theirs.reshape(np.shape(mine)))
                for mine, theirs in zip(net.parameters(), expected, strict=True)
            )
    with pytest.raises(NetworkError, match="the state dict does not say its activation"):
        fm.from_torch(state)
    bare = {name: value for name, value in state.items() if name.startswith("W")}
    assert fm.from_torch(bare, "relu").b2 == 0.0


def test_state_dicts_of_arrays_need_no_torch():
    state = {"a.weight": np.ones((2, 3), np.float32), "z.weight": [[1.0, 2.0]], "z.bias": 4.0}
    assert fm.from_torch(state, "relu").predict([[1.0, 1, 1]]).tolist() == [13.0]
    state = {"layer2.weight": [[3.0]], "layer10.weight": [[5.0]], "layer2.bias": [1.0], "layer10.bias": [0.0]}
    assert fm.from_torch(state, "relu").W1.tolist() == [[3.0]]
    assert fm.from_torch(dict(reversed(state.items())), "relu").W1.tolist() == [[3.0]]


ONES = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2), "2.weight": np.ones((1, 2)), "2.bias": np.ones(1)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"1.weight": np.ones(1)}, r"holds '1.weight' beside Linear\(3, 2\) '0', Linear\(2, 1\) '2'"),
        ({"1.bias": np.ones(1)}, "holds '1.bias' beside"),
        ({"1.running_mean": np.ones(2), "n": np.ones(())}, "holds '1.running_mean', 'n' beside"),
        ({"1.weight": np.ones((2, 2))}, "3 linear layers .*DeepNetwork.from_torch takes deep networks"),
        ({"2.weight": np.ones((4, 2)), "2.bias": np.ones(4)}, "4 outputs"),
        ({"2.weight": np.ones((1, 5))}, "do not fit together"),
        ({"0.bias": np.ones(3)}, r"the bias of Linear\(3, 2\) '0' has shape \(3,\)"),
        ({"0.weight": np.ones((2, 3), complex)}, "0.weight must hold real numbers, got complex128"),
        ({"0.weight": "abc"}, "0.weight must hold real numbers"),
        ({"0.weight": torch.ones(2, 3, device="meta")}, "0.weight is on the device 'meta'"),
        ({"0.weight": torch.ones(2, 3).to_sparse()}, "0.weight cannot be read as numbers"),
        ({"0.weight": np.full((2, 3), np.inf)}, "W1 must hold finite"),
        ({"0.bias": np.array([2**53 + 1, 0])}, "b1 holds numbers that float64 cannot represent"),
    ],
)
def test_state_dicts_that_are_no_hidden_layer(change, message):
    with pytest.raises(NetworkError, match=message):
        fm.from_torch({**ONES, **change}, "relu")


def test_other_mappings():
    with pytest.raises(NetworkError, match=r"a checkpoint with 'epoch', 'model'; .*checkpoint\['model'\]"):
        fm.from_torch({"epoch": 3, "model": ONES}, "relu")
    with pytest.raises(NetworkError, match="no linear layer"):
        fm.from_torch({}, "relu")
    with pytest.raises(DataTypeError, match="names for keys, got 0"):
        fm.from_torch({0: np.ones((2, 3))}, "relu")
    same = {"a.weight": [[1.0]], "b.weight": [[2.0]]}
    with pytest.raises(NetworkError, match="fit together in either order"):
        fm.from_torch(same, "relu")
    with pytest.raises(ActivationError, match="no activation is called 'rleu'; did you mean"):
        fm.from_torch(ONES, "rleu")
