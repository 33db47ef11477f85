"""The checker's work is bounded: certificates made to cost time or memory are refused, and the count is right."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction as F
from itertools import count, islice, pairwise
from typing import Any

import pytest

from certificates_by_hand import CUBE, TRIPLE, Case, all_cases, case
from certificates_changed import nested, verdict
from fastminima.proof import check as checker
from pace import at_most
from profiles import examples

CASES = all_cases()
ROWS = [[float(i % 97), float(i * i % 89) / 4, float(i % 7)] for i in range(1_000)]


def digits(length: int, *, seed: int = 0) -> str:
    """An odd number of so many digits, a different one for every seed."""
    return (
        str(random.Random(length * 1_000_003 + seed).getrandbits(64) | 1).rjust(20, "7")[:20] * (length // 20)
        + str(10**19 + 2 * seed + 1)[-max(length % 20, 8) :]
    )


def of_rows(theorem: int, setting: Any, claims: list[Any], rows: list[list[float]] = ROWS) -> Case:
    return case(theorem, rows, (len(rows[0]) - 1, 1, False), setting, claims)


FIT = {"claim": "least squares", "coef": ["0", "0"], "intercept": "0", "risk": "0"}


def units_of(n: int, number: Callable[[int], str]) -> dict[str, Any]:
    numbers = iter(map(number, range(4 * n)))
    W1 = [[next(numbers), next(numbers)] for _ in range(n)]
    return {"W1": W1, "b1": [*islice(numbers, n)], "W2": [*islice(numbers, n)], "b2": "0"}


def better(network: Any) -> Case:
    return of_rows(1, ["1", "0"], [FIT, {"claim": "lower risk", "network": network, "drop": "1"}])


def near(network: Any, radius: str) -> Case:
    claim = {"claim": "no lower risk within", "network": network, "radius": radius, "excess": "1"}
    return of_rows(1, ["1", "0"], [FIT, claim])


def shifted(b2: str) -> dict[str, Any]:
    """A constant."""
    return {"W1": [["0", "0"]], "b1": ["0"], "W2": ["1"], "b2": b2}


def lower(network: Any) -> dict[str, Any]:
    return {"claim": "lower_point", "network": network, "lower": shifted("0"), "drop": "1", "radius": None}


def constant_minimum() -> dict[str, Any]:
    """The mean, by a unit of which every row is a kink."""
    mean = sum(F(row[-1]) for row in ROWS) / len(ROWS)
    risk = sum((F(row[-1]) - mean) ** 2 for row in ROWS) / 2
    return {
        "claim": "local_minimum",
        "network": shifted(str(mean)),
        "risk": str(risk),
        "radius_squared": "1",
        "units": ["lines"],
    }


def chain(depth: int, width: int, number: Callable[[int], str]) -> Case:
    numbers = map(number, count())

    def layer(a: int, b: int) -> list[list[str]]:
        return [[next(numbers) for _ in range(b)] for _ in range(a)]

    sizes = [2, *[width] * (depth - 1), 1]
    weights = [layer(a, b) for b, a in pairwise(sizes)]
    return of_rows(4, {"weights": weights, "bias": False}, [{"claim": "global minimum"}])


def with_saddle(made: Case, width: int) -> Case:
    claim = {"claim": "saddle", "transposed": False, "a": 0, "b": 0, "j": 2, "v1": ["1"] * width}
    made.words["claims"] = [claim | {"left": [["1"] * width] * 2}]
    return made


def three(formula: Any, units: int, radius: str, claim: str = "no lower risk within") -> Case:
    point = {"W1": [["1/4", "1/4"]] * units, "b1": ["0"] * units, "W2": ["1/7"] * units, "b2": "0"}
    more = {"radius": radius, "excess": "1" + "0" * 30} if claim != "zero risk" else {"risk": "1" + "0" * 30}
    return of_rows(2, formula, [{"claim": claim, "network": point} | more], TRIPLE)


FORGED: dict[str, Callable[[], Case]] = {
    "40 units of 4,000 digits without a common factor": lambda: better(
        units_of(40, lambda n: "1/" + digits(4_000, seed=n))
    ),
    "a MiB of denominators of 10 digits": lambda: better(
        units_of(12_000, lambda n: "1/" + digits(10, seed=n))
    ),
    "a MiB of denominators of 100 digits": lambda: better(
        units_of(2_200, lambda n: "1/" + digits(100, seed=n))
    ),
    "a MiB of denominators of 50,000 digits": lambda: better(
        units_of(4, lambda n: "1/" + digits(50_000, seed=n))
    ),
    "long numerators": lambda: better(units_of(8, lambda n: digits(25_000, seed=n))),
    "short numbers": lambda: better(
        {"W1": [["1", "0"]] * 40_000, "b1": ["0"] * 40_000, "W2": ["1"] * 40_000, "b2": "0"}
    ),
    "a long radius": lambda: near(units_of(2, lambda n: digits(9, seed=n)), "1/" + digits(90_000)),
    "long slopes": lambda: of_rows(
        1,
        [digits(49_000) + "/" + digits(49_000, seed=2), "0"],
        better(units_of(1_000, lambda n: "1/7")).words["claims"],
    ),
    "long fits": lambda: of_rows(
        1, ["1", "0"], [FIT | {"coef": ["1/" + digits(30_000), "1/" + digits(30_000, seed=3)]}] * 15
    ),
    "many fits": lambda: of_rows(1, ["1", "0"], [FIT] * 11_000),
    "many sets J": lambda: of_rows(1, ["1", "0"], [FIT, *[{"claim": "set J", "positions": []}] * 24_000]),
    "many sets J of long numbers": lambda: of_rows(
        1,
        ["1", "0"],
        [FIT | {"coef": ["1/" + digits(90_000), "1"]}, *[{"claim": "set J", "positions": []}] * 20_000],
    ),
    "many lower points": lambda: of_rows(1, ["1", "0"], [lower(shifted("1" + "0" * 9))] * 4_000),
    "a long lower point": lambda: of_rows(
        1, ["1", "0"], [lower(units_of(20, lambda n: digits(10_000, seed=n)))]
    ),
    "a lower point of many units": lambda: of_rows(
        1, ["1", "0"], [lower(units_of(12_000, lambda n: f"1/{2 * n + 3}"))]
    ),
    "many lines": lambda: of_rows(1, ["1", "0"], [constant_minimum()]),
    "many floors": lambda: of_rows(1, ["1", "0"], [FIT, *[{"claim": "pure error", "floor": "1"}] * 24_000]),
    "deep, of one unit": lambda: chain(45_000, 1, lambda n: "1/" + digits(8, seed=n)),
    "deep, of many units": lambda: chain(10, 80, lambda n: "1/" + digits(8, seed=n)),
    "wide": lambda: chain(2, 12_000, lambda n: "1/" + digits(8, seed=n)),
    "wide layers": lambda: with_saddle(chain(4, 305, lambda n: "0"), 305),
    "sines": lambda: three(nested("sin", 100), 3_000, "1/9"),
    "error functions": lambda: three(nested("erf", 1_990), 3_000, "1/9"),
    "softplus": lambda: three(nested("softplus", 100), 3_000, "1/9"),
    "exponentials": lambda: three(["mul", ["exp", "t"], ["sin", "t"]], 10_000, "1/9"),
    "powers": lambda: three(["pow", ["add", "t", 1], 1_000], 20_000, "1/9"),
    "pairs of units": lambda: three(["pow", "t", 2], 20_000, "", "zero risk"),
    "a long radius of theorem 2": lambda: three(CUBE, 2, "1/" + digits(90_000)),
    "concave here and there": lambda: three(
        ["sub", ["pow", "t", 4], ["div", ["pow", "t", 2], 8]], 10_000, "1/9"
    ),
}


# each of them meets the bound after seconds of what one of the others does
SLOW = () if examples(1) > 1 else ("error functions", "exponentials", "powers", "pairs of units", "concave here and there")


@pytest.mark.parametrize("name", [name for name in FORGED if name not in SLOW])
def test_work_is_bounded(name):
    """Five seconds for any certificate of a MiB on 1,000 rows."""
    made = FORGED[name]()
    text = made.text
    assert len(text) < 1 << 20
    with at_most(500):
        found = checker.check(text, made.read)
    assert not found
    assert re.search("more work than|common denominators of more than", found.reason), found.reason
    # and what is too much is said of a claim, or of the setting
    assert found.reason.startswith(("claim ", "the setting: "))


def test_a_certificate_does_not_take_columns_that_the_data_have_not():
    """Matrices of columns times columns are not made before a row has been seen."""
    made = chain(2, 1, lambda n: "0")
    made.words["setting"]["weights"][0] = [["0"] * 50_000]
    made.words["data"]["columns"] = 50_000
    tracemalloc.start()
    assert "more work than" in verdict(made).reason
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_more_rows_allow_more_work_and_a_longer_text_does():
    table = checker.Table(None, CASES["floats"].words["data"])
    for seen, length, most in (
        (0, 0, 1_000),
        (1_000, 1 << 19, 2_000),
        (0, 3 << 20, 3_000),
        (500, 2 << 20, 3_000),
    ):
        table.work, table.seen, table.length = 0, seen, length
        table.spend(most * checker.ALLOWED)
        with pytest.raises(
            checker.TooMuch,
            match=f"^more work than a certificate of {length} characters may ask for on {seen} rows$",
        ):
            table.spend(1)


def test_common_denominators_have_a_longest():
    table = checker.Table(None, CASES["floats"].words["data"])
    table.length = 1 << 30
    longest = checker.LONGEST_UNIT
    for power, fits in ((longest - 1, True), (longest, False)):
        line = [F(1, 3), F(1, 2 ** (power - 1)), F(5), F(7, 3)]
        if fits:
            (numbers,), unit = table.integral(line[1:3])
            assert [F(n, unit) for n in numbers] == line[1:3]
        else:
            with pytest.raises(checker.Reject, match=f"common denominators of more than {longest} bits"):
                table.integral(line)
    (numbers, more), unit = table.integral([F(1, 6), F(3, 4)], [F(-2), F(5, 9)])
    assert (numbers, more, unit) == ([6, 27], [-72, 20], 36)


def test_parts_of_a_block_are_the_block():
    block = checker.Block([[1.0], [2.0], [3.0]], [[1, 2, 3], [4, 5, 6]], [(1, 4), (2, 5), (3, 6)], 1)
    for work, sizes in ((10**9, [1, 1, 1]), (5 * 10**7, [2, 1]), (1, [3])):
        parts = list(block.parts(work))
        assert [len(part.rows) for part in parts] == sizes
        assert [row for part in parts for row in part.rows] == block.rows
        assert [[v for part in parts for v in part.columns[j]] for j in (0, 1)] == block.columns
        assert [row for part in parts for row in part.values] == block.values


@pytest.mark.parametrize("size", [1, 999, 2_000, 2_001, 4_301, 99_999])
def test_integers_of_any_length(size):
    for first in ("1", "-1", "+1", "0", "-0"):
        text = first + "0" * (size // 2) + "7" * (size - size // 2)
        number = Decimal(text)
        assert checker.integer(text) == int(number)
    assert checker.show("3" + "0" * size) == f"{Decimal('3' + '0' * size):.10g}"


def test_long_denominators_are_shown_shortly():
    assert checker.show("1/" + "3" * 99_000) == f"{Decimal(1) / Decimal('3' * 99_000):.10g}"
    assert checker.show("-3/2^9") == "-0.005859375"
    assert checker.show("6/0008") == "0.75"
