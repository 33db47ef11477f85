"""The constants of rounding bounds against the rationals they stand for, and that each has one home."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest

import fastminima.exact.roundoff as roundoff
from fastminima.exact.roundoff import SLACK, U, gamma_n
from places import ROOT

PACKAGE = ROOT / "src" / "fastminima"


def test_u_is_half_the_distance_from_one_to_the_next_float():
    assert Fraction(U) == Fraction(math.ulp(1.0)) / 2 == Fraction(1, 2**53)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100, 4096, 10**6, 2**40 + 1, 2**51])
def test_gamma_n_is_its_rational_up_to_three_roundings_and_widened_a_bound(n):
    u = Fraction(1, 2**53)
    truth = n * u / (1 - n * u)
    assert abs(Fraction(gamma_n(n)) - truth) <= 4 * u * truth
    assert Fraction(gamma_n(n) * SLACK) >= truth


def test_gamma_n_ends_where_half_of_a_number_is_rounding():
    assert gamma_n(2**52 - 1) < 1.0
    assert gamma_n(2**52) == gamma_n(2**53) == gamma_n(1e300) == math.inf


def test_u_and_gamma_have_one_home():
    """Kernels have twins of their own, and the checker imports nothing of ours."""
    for path in PACKAGE.rglob("*.py"):
        if path == PACKAGE / "proof" / "check.py" or "kernels" in path.parts or path.name == "roundoff.py":
            continue
        # docstrings may say what u is
        lines = [line for line in path.read_text().splitlines() if "u = 2**-53" not in line]
        found = [line for line in lines if re.search(r"2(\.0)?\*\*-53\b|^def gamma\w*\(|^_?U = 2", line)]
        assert not found, f"{path.name}: {found}; use fastminima.exact.roundoff"
    assert set(roundoff.__all__) == {"SLACK", "U", "gamma_n"}
