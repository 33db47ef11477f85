"""What is kept of a million excesses."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.landscape.perturb.tally import Block, Tally, histogram, quantile
from profiles import examples

excesses = st.lists(
    st.one_of(st.floats(allow_nan=False), st.sampled_from([0.0, -0.0, 5e-324, -5e-324, math.inf, 1.5, -1.5])),
    max_size=40,
)


@settings(max_examples=examples(60))
@given(excesses, st.lists(st.floats(0, 1), max_size=5), st.data())
def test_the_tally_is_exact_at_the_ends_and_within_its_resolution_between(values, levels, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    changed = np.arange(len(values)) % 3
    tally, parts = Tally(), []
    for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        part = Block.of(np.array(values[start:end]), changed[start:end], start)
        tally.update(part)
        other = Tally()
        other.update(part)
        parts.append(other)
    merged = Tally()
    for other in reversed(parts):
        merged.merge(other)
    state = tally.block()
    for field in ("n", "n_negative", "n_overflow", "n_changed", "argmin", "largest"):
        assert getattr(state, field) == getattr(merged.block(), field)
    # -inf cannot be an excess risk; like NaN it means overflow
    values = sorted(v if math.isfinite(v) else math.inf for v in values)
    finite = [v for v in values if v < math.inf]
    assert state.n == len(values)
    assert state.n_overflow == len(values) - len(finite)
    assert state.n_negative == sum(v < 0 for v in values)
    assert state.counts.sum() == len(finite)
    if not values:
        assert np.isnan(quantile(state, [0.0, 0.5, 1.0])).all()
        return
    assert state.smallest == values[0]
    for level, got in zip([0.0, 1.0, *levels], quantile(state, [0.0, 1.0, *levels]).tolist(), strict=True):
        want = values[max(1, math.ceil(Fraction(level) * len(values))) - 1]
        if want in (values[0], values[-1], math.inf) or abs(want) < 1e-300:
            assert got == want or abs(got - want) <= 2.0**-9 * abs(want) + 2.0**-1030
        else:
            assert abs(got - want) <= 2.0**-9 * abs(want)
            assert math.copysign(1, got) == math.copysign(1, want)
    counts, edges = histogram(state)
    assert counts.sum() == len(finite)
    assert len(edges) == len(counts) + 1
    assert (np.diff(edges) > 0).all()
    assert len(counts) <= 260
    if finite:
        assert edges[0] <= finite[0] <= finite[-1] <= edges[-1]
        for i, edge in list(enumerate(edges.tolist()))[1:-1]:
            if edge:
                below = np.searchsorted(finite, edge, side="left" if edge > 0 else "right")
                assert below == counts[:i].sum()
