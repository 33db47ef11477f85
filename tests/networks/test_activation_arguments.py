"""Whatever takes an activation takes a name, an activation and a module of torch alike."""

import inspect
import sys

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import ActivationError, NetworkError

X = np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0], [3.0]])
Y = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 2.5])
DATA = fm.Dataset(X, Y)
TWO = (np.ones((2, 1)), np.array([0.5, -0.5]), np.ones(2), 0.0)
# functions that make something of an activation; what they return says which one they took
TAKE = {
    "OneHiddenLayer": lambda h, tmp: fm.OneHiddenLayer(*TWO, h).activation,
    "DeepNetwork": lambda h, tmp: fm.DeepNetwork([TWO[:2], (np.ones((1, 2)), [0.0])], h).activations[0],
    "DeepNetwork.from_torch": lambda h, tmp: fm.DeepNetwork.from_torch(_state(), h).activations[0],
    "batched_risk": lambda h, tmp: fm.batched_risk(*([part] for part in TWO), DATA, h)[0],
    "bracket": lambda h, tmp: fm.bracket(DATA, 2, activation=h, n_starts=1).network.activation,
    "counterexample": lambda h, tmp: fm.counterexample(h, "bias").activation,
    "escape_benchmark": lambda h, tmp: _escape_options(h),
    "fit_network": lambda h, tmp: fm.fit_network(DATA, 2, activation=h, n_starts=1).network.activation,
    "from_torch": lambda h, tmp: fm.from_torch(_state(), h).activation,
    "interpolation_width": lambda h, tmp: fm.interpolation_width(DATA, activation=h).network.activation,
    "load_network": lambda h, tmp: fm.load_network(_file(tmp), h).activation,
    "scan": lambda h, tmp: fm.scan(DATA, activation=h)[0].minimum.activation,
    "spurious_minimum": lambda h, tmp: fm.spurious_minimum(DATA, h).activation,
    "sklearn.ReLURegressor": lambda h, tmp: _fitted("ReLURegressor", h, n_starts=1),
    "sklearn.SpuriousMinimumRegressor": lambda h, tmp: _fitted("SpuriousMinimumRegressor", h),
}
# results and records, which are made with an activation by the functions above
RECORDS = {"CounterExample", "DeepMinimum", "RationalNetwork"}


def _state():
    return {"0.weight": TWO[0], "0.bias": TWO[1], "2.weight": TWO[2][None], "2.bias": np.zeros(1)}


def _file(folder):
    np.savez(folder / "state.npz", **_state())
    return folder / "state.npz"


def _escape_options(h):
    from fastminima.interop.optimisers import EscapeOptions

    given = inspect.signature(fm.escape_benchmark).parameters
    known = {name: p.default for name, p in given.items() if name not in ("data", "optimisers")}
    return EscapeOptions(**{**known, "activation": h}).h


def _fitted(name, h, **options):
    pytest.importorskip("sklearn")
    import fastminima.sklearn as estimators

    return getattr(estimators, name)(2, activation=h, **options).fit(X, Y).network_.activation


def _takers():
    """Every public function or method with a parameter called activation."""
    found = {}
    for name in fm.__all__:
        value = getattr(fm, name)
        members = [(name, value)]
        if inspect.isclass(value):
            members += [
                (f"{name}.{part}", getattr(value, part)) for part in vars(value) if not part.startswith("_")
            ]
        for label, member in members:
            try:
                parameters = inspect.signature(member).parameters
            except (TypeError, ValueError):
                continue
            if "activation" in parameters:
                found[label] = member
    return found


def _module():
    """A module of torch, or, where torch is not installed, an object with the class of one."""
    torch = sys.modules.get("torch")
    if torch is None:
        try:
            import torch
        except ImportError:
            torch = None
    if torch is not None:
        return torch.nn.LeakyReLU(0.25)
    kind = type("LeakyReLU", (), {"__module__": "torch.nn.modules.activation"})
    module = kind()
    module.negative_slope = 0.25
    return module


def test_the_list_is_that_of_the_public_names():
    listed = {name for name in TAKE if not name.startswith("sklearn.")}
    assert set(_takers()) - RECORDS == listed


@pytest.mark.parametrize("name", sorted(TAKE))
def test_three_kinds_are_one_activation(name, tmp_path):
    expected = TAKE[name](fm.leaky_relu(0.25), tmp_path)
    assert isinstance(expected, np.floating) or expected == fm.leaky_relu(0.25)
    for h in ("leaky_relu:0.25", "prelu", "LeakyReLU:slope=0.25", "piecewise_linear:1,0.25", _module()):
        assert TAKE[name](h, tmp_path) == expected, h
    with pytest.raises(ActivationError, match="no activation is called 'wobble'"):
        TAKE[name]("wobble", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "bracket",
        "fit_network",
        "interpolation_width",
        "sklearn.SpuriousMinimumRegressor",
    ],
)
def test_what_is_about_lines_says_so(name, tmp_path):
    with pytest.raises(
        NetworkError, match=r"needs a PiecewiseLinear activation such as relu or leaky_relu:0.2, got 'tanh'"
    ):
        TAKE[name]("tanh", tmp_path)


def test_a_scan_says_of_curves_that_they_have_no_line():
    (result,) = fm.scan([fm.load_demo("xor")], activation="tanh")
    assert result.status == "no_affine_segment"


@pytest.mark.parametrize("name", sorted(fm.activations()))
def test_parameters_may_stand_behind_a_colon(name):
    entry = fm.activations()[name]
    values = {key: 3.0 if key == "n" else 1.5 * value + 0.25 for key, value in entry.parameters.items()}
    by_name = fm.activation(name, **values)
    written = (
        [f"{value!r}" for value in values.values()],
        [f"{key}={value!r}" for key, value in values.items()],
    )
    for parts in written:
        text = f"{name}:{','.join(parts)}" if parts else name
        assert fm.activation(text) == by_name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leaky_relu:", "behind the colon of leaky_relu stand numbers, as in leaky_relu:0.01; got ''"),
        (
            "leaky_relu:steep",
            "behind the colon of leaky_relu stand numbers, as in leaky_relu:0.01; got 'steep'",
        ),
        ("leaky_relu:0.1,0.2", "leaky_relu has the parameters slope; '0.1,0.2' behind its colon is too much"),
        ("tanh:1", "tanh has no parameters; '1' behind its colon is too much"),
        ("leaky_relu:alpha=0.1", "leaky_relu has no parameter 'alpha'; it has: slope"),
        ("hardtanh:0,min_val=0", "min_val of hardtanh is given twice in '0,min_val=0'"),
        ("leaky_relu:nan", "slope of leaky_relu must be a finite number, got nan"),
        ("snake:0", "a of snake must be > 0, got 0.0"),
        ("wobble:1", "no activation is called 'wobble'"),
    ],
)
def test_what_stands_behind_a_colon_and_is_no_parameter(text, message):
    with pytest.raises(ActivationError) as caught:
        fm.activation(text)
    assert message in str(caught.value)


def test_a_parameter_is_given_once():
    with pytest.raises(
        ActivationError, match=r"slope of leaky_relu is given twice: in 'leaky_relu:0.1' and by name"
    ):
        fm.activation("leaky_relu:0.1", slope=0.1)


def test_prelu_is_the_function_of_torch_with_one_slope():
    assert fm.activation("prelu") == fm.leaky_relu(0.25)
    assert fm.activation("nn.PReLU", slope=0.5) == fm.leaky_relu(0.5)


@pytest.mark.parametrize("a", [1.0, 0.5, 3.0])
def test_snake(a):
    h = fm.activation("snake", a=a)
    t = np.linspace(-4.0, 4.0, 1001)
    np.testing.assert_allclose(h(t), t + np.sin(a * t) ** 2 / a, rtol=1e-14, atol=1e-15)
    assert isinstance(h, fm.Smooth)
