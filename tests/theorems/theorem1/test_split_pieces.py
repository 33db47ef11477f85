"""The pieces of a pushed split against the sums of the module's text, one fraction a term."""

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.exact.roundoff import SLACK
from fastminima.theorems.theorem1 import certify_split


def _by_terms(network, fit):
    """Units (v_k, q_k, h_k) and E, term by term."""
    frame, units, off = fit.frame, [], Fraction(0)
    slopes = [Fraction(v) for v in fit.slopes.tolist()]
    sizes = [Fraction(v) for v in fit.column_max.tolist()]
    j = max(range(len(slopes)), key=lambda k: abs(slopes[k]) * sizes[k])
    W1, b1, W2, _ = network.parameters()
    for k in np.flatnonzero(W2):
        a = [
            Fraction(v) * Fraction(2) ** int(e) for v, e in zip(W1[k].tolist(), frame.exponents, strict=True)
        ]
        q = a[j] / slopes[j]
        level = Fraction(float(b1[k])) + sum(
            x * Fraction(c) for x, c in zip(a, frame.centre.tolist(), strict=True)
        )
        bound = sum(abs(x - q * s) * size for x, s, size in zip(a, slopes, sizes, strict=True)) * Fraction(
            SLACK
        )
        v = Fraction(float(W2[k])) / Fraction(2) ** int(frame.exponent_y)
        units.append((v, q, level - q * Fraction(fit.value_at_centre)))
        off += abs(v) * Fraction(max(network.slopes)) * bound
    return units, off


@pytest.mark.parametrize("seed", range(8))
def test_pieces_are_the_sums_of_the_text(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    m, dx = 20 + seed, 1 + seed
    X = rng.normal(size=(m, dx)) * 10.0 ** rng.integers(-8, 9, size=dx) + (100.0 if seed % 2 else 0.0)
    y = rng.normal(size=m) * 10.0 ** int(rng.integers(-6, 7))
    seen = []
    pieces = certify_split._pieces

    def watched(network, fit):
        found = pieces(network, fit)
        seen.append((found, network, fit))
        return found

    monkeypatch.setattr(certify_split, "_pieces", watched)
    fm.better_point(fm.spurious_minimum((X, y)))
    assert seen
    for found, network, fit in seen:
        units, off = _by_terms(network, fit)
        assert found[0].units == units
        assert found[4] == off
