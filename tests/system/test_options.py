"""Whole numbers: every count, size and position takes what NumPy calls an integer, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, FastMinimaError, NetworkError, OptionError, TargetError
from fastminima.system.options import as_count, check_width, count_workers, parse_bytes

RNG = np.random.default_rng(11)
DATA = fm.Dataset(RNG.normal(size=(12, 2)), RNG.normal(size=12))
TWO = fm.Dataset(DATA.X, np.column_stack([DATA.y] * 4))
LOW = fm.spurious_minimum(DATA, width=5)
PAIR = fm.counterexample("relu")

SPELLINGS = [3, np.int64(3), np.uint8(3), np.array(3), np.array(3, dtype=np.int16)]
OTHERS = [True, np.True_, np.array(True), 3.0, np.float64(3), np.array(3.0), np.array([3]), "3", 3 + 0j]


class Whole:
    """A number that says it is whole."""

    def __index__(self) -> int:
        return 3


# what takes a whole number, the error it raises, and what of the result must be the same for every spelling
TAKERS = {
    "width of a minimum": (
        lambda n: fm.spurious_minimum(DATA, width=n),
        NetworkError,
        lambda low: low.network.width,
    ),
    "members": (lambda n: LOW.sample(n, rng=0), NetworkError, len),
    "n_kinks": (lambda n: fm.better_point(LOW, n_kinks=n, method="kink"), OptionError, lambda b: b.risk),
    "n_directions": (lambda n: fm.better_point(LOW, n_directions=n), OptionError, lambda b: b.risk),
    "width of an image": (lambda n: PAIR.image(width=n), OptionError, lambda pair: pair.local_minimum.width),
    "block_rows": (lambda n: fm.scan([DATA], block_rows=n), OptionError, lambda r: r[0].minimum.risk),
    "workers of a scan": (lambda n: fm.scan([DATA], workers=n), OptionError, lambda r: r[0].minimum.risk),
    "points": (lambda n: fm.probe(LOW.network, DATA, n=n), OptionError, lambda p: p.n),
    "seed": (lambda n: fm.probe(LOW.network, DATA, n=4, seed=n), OptionError, lambda p: p.seed),
    "k-th perturbation": (
        lambda n: fm.probe(LOW.network, DATA, n=4).delta(n),
        OptionError,
        lambda parts: parts[3],
    ),
    "threads": (count_workers, OptionError, int),
    "widths": (
        lambda n: fm.critical_point(widths=[n, 4, n], rng=0),
        NetworkError,
        lambda c: len(c.weights[0]),
    ),
    "rank": (lambda n: fm.critical_point(widths=[4, 4, 4], rank=n, rng=0), OptionError, lambda c: c.rank),
    "index": (
        lambda n: fm.critical_point(widths=[4, 4, 4], indices=[n], rng=0),
        OptionError,
        lambda c: c.rank,
    ),
    "j_star": (lambda n: fm.local_inverse([np.eye(2)] * 3, n), NetworkError, lambda inverse: inverse.j_star),
    "rows of blocks": (lambda n: list(DATA.blocks(n)), DataError, len),
    "position of a target": (TWO.one_target, TargetError, lambda data: data.y.tolist()),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_every_spelling_of_three_is_three(taker):
    take, _, result = TAKERS[taker]
    expected = result(take(3))
    for spelling in (*SPELLINGS, Whole()):
        found = result(take(spelling))
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("taker", TAKERS)
def test_nothing_else_is_taken_for_a_whole_number(taker, other):
    take, error, _ = TAKERS[taker]
    with pytest.raises(error, match=re.escape(repr(other))) as caught:
        take(other)
    assert isinstance(caught.value, FastMinimaError)


@pytest.mark.parametrize(
    ("value", "least", "most", "message"),
    [
        (-1, 0, None, "n must be a whole number >= 0, got -1"),
        (np.int64(6), 0, 5, r"n must be a whole number from 0 to 5, got np.int64\(6\)"),
        (10**30, 0, 2**64 - 1, "n must be a whole number from 0 to 18446744073709551615, got 1000"),
    ],
)
def test_the_range_is_said(value, least, most, message):
    with pytest.raises(OptionError, match=message):
        as_count(value, "n", least, most)


def test_both_ends_of_a_range_are_allowed():
    assert [as_count(v, "n", -2, 5) for v in (-2, 5)] == [-2, 5]
    assert as_count(10**30, "n") == 10**30
    assert check_width(np.uint16(2), 2) == 2
    with pytest.raises(NetworkError, match=r"width \(hidden units d1\) must be an integer >= 2, got 1"):
        check_width(1, 2)
    for wrong in (0, -2):
        with pytest.raises(OptionError, match=f"or -1 for all usable cores, got {wrong}"):
            count_workers(wrong)
    assert count_workers(-1) >= 1


@pytest.mark.parametrize(
    "size", [2_000_000_000, 2e9, np.int64(2_000_000_000), np.float64(2e9), np.float32(2e9), "2GB"]
)
def test_sizes_in_any_real_type(size):
    assert parse_bytes(size) == 2_000_000_000


@pytest.mark.parametrize("size", [True, np.True_, None, 0, -1, float("nan"), float("inf"), 10**400, "2G"])
def test_no_sizes(size):
    with pytest.raises(OptionError, match="memory must be a number of bytes"):
        parse_bytes(size)


def test_there_is_one_spelling_of_the_check():
    package = Path(fm.__file__).parent
    spelt = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"operator\.index|isinstance\([^)]*int \| np\.integer", path.read_text())
    }
    assert spelt == {"system/options.py"}
