"""Certified values of the NIST Statistical Reference Datasets, in decimal meaning, to every printed digit.

The model here always has a constant. The NoInt sets have none, so their points are used together with their
mirror images (-x, -y): by symmetry that fit has intercept 0, the slope of the fit through the origin, and
twice its residual sum of squares.
"""

import csv
import json
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest

import exact_reference as reference
from fastminima.exact.fit import ExactFit
from places import NIST


def installed(package, *parts):
    """A data file of an installed package, or None."""
    spec = find_spec(package)
    path = Path(spec.origin).parent.joinpath(*parts) if spec is not None and spec.origin else None
    return path if path is not None and path.exists() else None


def polynomial(x, y, degree):
    return ExactFit.of(reference.exact_dataset([*([v**k for v in x] for k in range(1, degree + 1)), y]))


def assert_printed(value, printed, units=Fraction(1, 2)):
    """`value` lies within `units` of the last printed digit."""
    certified = Decimal(printed)
    last = Fraction(10) ** certified.as_tuple().exponent
    assert abs(value - Fraction(certified)) <= units * last, f"{float(value)!r} is not {printed}"


@pytest.mark.parametrize(("name", "degree"), [("filip", 10), ("pontius", 2)])
def test_certified_polynomials(name, degree):
    with open(NIST / f"{name}.csv", newline="") as file:
        rows = [(Fraction(row["x"]), Fraction(row["y"])) for row in csv.DictReader(file)]
    certified = json.loads((NIST / "certified.json").read_text())[name]
    fit = polynomial(*(list(c) for c in zip(*rows, strict=True)), degree)
    assert fit.rank == degree + 1
    for value, printed in zip([fit.intercept, *fit.coef], certified["coefficients"], strict=True):
        assert_printed(value, printed)
    if "residual_sum_of_squares" in certified:
        assert_printed(2 * fit.risk, certified["residual_sum_of_squares"])


WAMPLER_3 = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048]
WAMPLER_3 = WAMPLER_3 + WAMPLER_3[-2::-1]


@pytest.mark.parametrize(("base", "noise"), [(1, 0), (Fraction(1, 10), 0), (1, 1), (1, 100), (1, 10000)])
def test_wampler(base, noise):
    x = [Fraction(k) for k in range(21)]
    y = [sum(base**k * v**k for k in range(6)) + noise * e for v, e in zip(x, WAMPLER_3, strict=True)]
    fit = polynomial(x, y, 5)
    assert [fit.intercept, *fit.coef] == [base**k for k in range(6)]
    assert 2 * fit.risk == noise**2 * sum(e * e for e in WAMPLER_3)
    assert fit.linearly_fittable == (noise == 0)
    if noise == 1:
        assert 2 * fit.risk == 83554268


@pytest.mark.parametrize(
    ("x", "y", "slope", "squares"),
    [
        (range(60, 71), range(130, 141), "2.07438016528926", "127.272727272727"),
        ([4, 5, 6], [3, 4, 4], "0.727272727272727", "0.272727272727273"),
    ],
)
def test_no_intercept_sets_by_symmetry(x, y, slope, squares):
    fit = polynomial(
        [Fraction(s * v) for s in (1, -1) for v in x], [Fraction(s * v) for s in (1, -1) for v in y], 1
    )
    assert fit.intercept == 0
    assert_printed(fit.coef[0], slope)
    assert_printed(fit.risk, squares)


def test_norris():
    path = installed("scipy", "stats", "tests", "data", "nist_linregress", "Norris.dat")
    if path is None:
        pytest.skip("scipy was installed without its test data")
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["Data:", "y", "x"])
    pairs = [[Fraction(v) for v in line.split()] for line in lines[start + 1 :] if line.strip()]
    assert len(pairs) == 36
    fit = polynomial([x for _, x in pairs], [y for y, _ in pairs], 1)
    assert_printed(fit.intercept, "-0.262323073774029")
    assert_printed(fit.coef[0], "1.00211681802045")
    assert_printed(2 * fit.risk, "26.6173985294224")


def test_longley():
    path = installed("statsmodels", "datasets", "longley", "longley.csv")
    if path is None:
        pytest.skip("statsmodels is not installed")
    with open(path, newline="") as file:
        rows = [[Fraction(v) for v in list(row.values())[1:]] for row in csv.DictReader(file)]
    columns = [list(c) for c in zip(*rows, strict=True)]
    fit = ExactFit.of(reference.exact_dataset([*columns[1:], columns[0]]))
    certified = [
        "-3482258.63459582",
        "15.0618722713733",
        "-0.0358191792925910",
        "-2.02022980381683",
        "-1.03322686717359",
        "-0.0511041056535807",
        "1829.15146461355",
    ]
    for value, printed in zip([fit.intercept, *fit.coef], certified, strict=True):
        assert_printed(value, printed)
    assert_printed(2 * fit.risk, "836424.055505915")
