"""Values of wrong kinds, to every public function: a result or a named error, never a raw one.

Every error is a `FastMinimaError`; `DataTypeError` is a `TypeError` too, `OptionError`, `DataError`, `ReadError` and most
others are `ValueError`s. A call that lacks arguments, or names one that is not there, is Python's own `TypeError`.
"""

from __future__ import annotations

import datetime
import inspect
import io
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import FastMinimaError
from profiles import examples


class Refuses:
    """An object whose conversion to an array raises."""

    def __array__(self, dtype=None, copy=None):
        raise LookupError("no array")

    def __repr__(self):
        return "Refuses()"


def _closed():
    stream = io.StringIO("1,2")
    stream.close()
    return stream


def _kinds():
    kinds = [
        None, "", "a", "relu", "\udcff", b"", b"ab", True, -1, 0, 1, 2, 10**400, -(10**30), 2**63, 0.5, -0.0, 1e308,
        float("nan"), float("inf"), 1j, Decimal("NaN"), Decimal(3), Fraction(1, 3), datetime.date(2020, 1, 1), object(),
        [], [[]], [[1, [2]]], [1, "a"], [[1, 2], [3]], [None], [1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]], (), (1,), (1, 2),
        {}, {"X": 1}, {1, 2}, frozenset(), range(3), slice(1), Ellipsis, lambda x: x, Refuses(), [Refuses()],
        np.float32(1), np.datetime64("2020-01-01"), np.array("x"), np.array([1 + 2j]), np.array([["a", "b"]]),
        np.empty((0, 2)), np.empty((2, 0)), np.zeros((2, 2, 2)), np.array([[1, None]], dtype=object),
        np.zeros(2, dtype=[("a", "f8"), ("b", "U2")]), np.ma.masked_array([1.0, 2.0], [True, False]),
        10**5000, -(10**5000), np.longdouble(1), "x" * 5000, "a\0b",
    ]  # fmt: skip
    return kinds


def _wrong():
    values = st.sampled_from(KINDS) | st.builds(lambda: (x for x in (1, "a"))) | st.builds(_closed)
    try:
        import torch
    except ImportError:
        return values
    tensors = [
        torch.ones(2, requires_grad=True),
        torch.ones(2, 2, dtype=torch.complex64),
        torch.nn.Linear(2, 1),
    ]
    return values | st.sampled_from([*tensors, torch.empty(2, device="meta")])


KINDS = _kinds()
WRONG = _wrong()
DATA = fm.Dataset([[0.0, 1], [1, 0], [2, 2], [3, 5.0], [1, 7]], [0.0, 1, 5, 2, 2])
LOW = fm.spurious_minimum(DATA)
GOOD = {
    "data": DATA,
    "network": LOW.network,
    "other": LOW.network,
    "low": LOW,
    "fit": LOW.fit,
    "result": LOW,
    "activation": fm.relu,
    "X": [[0.0, 1], [1, 0], [2, 3]],
    "y": [0.0, 1, 3],
    "Y": [[0.0], [1], [3]],
    "name": "tanh",
    "n": 10,
    "source": DATA,
    "fitted": [0.0, 1, 2],
    "residual": [1.0, -2, 1],
}
# what makes files where it is told to, and what waits for a window
LEFT_OUT = {
    "errors",
    "relu",
    "activations",
    "atlas_page",
    "plot_functions",
    "plot_probe",
    "plot_linear",
    "plot_scan",
    "plot_segment",
    "plot_slice",
    "plot_splits",
    "save_result",
}
PUBLIC = sorted(name for name in set(fm.__all__) - LEFT_OUT if callable(getattr(fm, name)))
# classes of results are made by the functions; their fields are said by their annotations
RESULTS = {
    name
    for name in PUBLIC
    if inspect.isclass(getattr(fm, name))
    and (issubclass(getattr(fm, name), (str, tuple)) or "Status" in name or "Verdict" in name)
} | {
    "Atlas", "BetterPoint", "Bracket", "Brackets", "Certificate", "CounterExample", "CriticalPoint", "Decision",
    "DeepBetterPoint", "DeepMinimum", "EscapeBenchmark",
    "Interpolation", "LeastSquares", "LinearEscape", "LinearReport", "LocalInverse", "Page",
    "NetworkFit", "Polish",
    "Probe", "ProbeSweep", "RationalNetwork", "ScanReport", "ScanResult", "SmoothDecision", "SmoothMinimum",
    "SmoothPolish", "SpuriousMinimum", "Staircase", "Summary",
}  # fmt: skip


def call(name, draw):
    """One call with some arguments that fit and others that do not."""
    function = getattr(fm, name)
    positional, keywords = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        needed = parameter.default is parameter.empty
        if not needed and draw(st.integers(0, 3)) > 0:
            continue
        fits = parameter.name in GOOD and draw(st.booleans())
        value = GOOD[parameter.name] if fits else draw(WRONG)
        if parameter.kind is parameter.POSITIONAL_ONLY or (needed and not keywords):
            positional.append(value)
        else:
            keywords[parameter.name] = value
    return function, positional, keywords


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in RESULTS])
def test_wrong_kinds_are_named(name):
    @settings(
        max_examples=examples(60),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def run(data):
        function, positional, keywords = call(name, data.draw)
        with suppress(FastMinimaError):
            str(function(*positional, **keywords)).encode("utf-8", "backslashreplace")

    run()
