"""The numbers that docs/atlas/ shows: bounds are bounds, and the text says what the rows say."""

from __future__ import annotations

import csv
import re
from itertools import pairwise

import numpy as np
import pytest

from fastminima.reporting.atlas_numbers import SUMMARY_HEAD, atlas_numbers, shares, summary_rows
from places import ROOT

FOLDER = ROOT / "docs" / "atlas"
PAGE = ROOT / "docs" / "atlas.md"
WIDTHS = (2, 4, 8)


@pytest.fixture(scope="module")
def numbers():
    return atlas_numbers(FOLDER / "atlas.csv")


def test_no_bound_is_negative_or_above_an_upper_one(numbers):
    assert numbers.widths == WIDTHS
    assert len(numbers.rows) >= 500
    assert len({row["table"] for row in numbers.rows}) == len(numbers.rows)
    checked = 0
    for row in numbers.bracketed:
        ends = [(row[f"lower_{w}"], row[f"upper_{w}"]) for w in WIDTHS]
        for (lower, upper), w in zip(ends, WIDTHS, strict=True):
            assert 0 <= row["pure_error"] <= lower <= upper <= 1, row["table"]
            # rounded to six digits outward, as in the table
            assert row[f"gap_least_{w}"] <= 1 - upper + 1e-5
            assert 1 - lower - 1e-5 <= row[f"gap_most_{w}"] <= 1
            assert 0 <= row[f"search_drop_{w}"] <= row[f"gap_least_{w}"]
            if row[f"certified_lower_{w}"] is not None:
                assert row[f"certified_lower_{w}"] <= lower
            checked += 1
        # a wider network is never worse
        assert all(one >= other for (one, _), (other, _) in pairwise(ends))
        assert all(one >= other for (_, one), (_, other) in pairwise(ends))
        # nor is the best network worse than what theorem 1 and a kink give
        for drop in ("paper_drop", "kink_drop"):
            assert (row[drop] or 0) <= row["gap_least_2"] + 1e-5
    assert checked >= 1200


def test_every_other_table_has_a_reason(numbers):
    with (FOLDER / "left-out.csv").open(encoding="utf-8", newline="") as stream:
        left = list(csv.DictReader(stream))
    assert all(row["reason"] for row in left)
    assert not {row["table"] for row in left} & {row["table"] for row in numbers.rows}


def test_the_page_says_what_the_rows_say(numbers):
    text = PAGE.read_text(encoding="utf-8")
    rows = summary_rows(numbers)
    shown = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (\d|all)", line)]
    assert shown == rows
    assert "| " + " | ".join(SUMMARY_HEAD) + " |" in text
    said = " ".join(text.split())
    assert f"{len(numbers.rows):,} tables" in said
    for drop in ("paper_drop", "kink_drop", "search_drop_2"):
        assert f"{100 * np.median(shares(numbers, drop, 2)):.2g} %" in said
    accepted = sum(
        row[name] is not None
        for row in numbers.rows
        for name in ("certificate", *(f"certificate_{w}" for w in WIDTHS))
    )
    assert f"{accepted:,} certificates" in said
    for picture in ("gaps", "widths", "lengths", "recovered"):
        assert f"(atlas/{picture}.png)" in text
        assert (FOLDER / f"{picture}.png").stat().st_size > 5_000
    page = (FOLDER / "atlas.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 4
    assert page.count("<tr>") == len(numbers.rows) + len(rows) + 2


def test_the_example_of_the_page_runs():
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    exec(compile(code, str(PAGE), "exec"), {})
