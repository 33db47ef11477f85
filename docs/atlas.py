"""What docs/atlas/ shows of a run of `fastminima atlas`: its table in six digits, pictures, page, and medians for atlas.md.

    fastminima atlas --widths 2 4 8 --seconds 1 --table-seconds 30 --most 610 --workers 2 --out run
    python docs/atlas.py run

Page and pictures are made from the rounded table, so that anyone can make them again from what is committed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from fastminima.exact.shown import rounded_down, rounded_up
from fastminima.reporting.atlas_numbers import SUMMARY_HEAD, atlas_numbers, summary_rows
from fastminima.reporting.atlas_page import atlas_page
from fastminima.reporting.atlas_plots import ATLAS_PICTURES, draw_atlas
from fastminima.reporting.figures import save_figure
from fastminima.scanning.table import ScanTable

HERE = Path(__file__).parent / "atlas"
DIGITS = 6
UP = ("upper", "gap_most")
NEAREST = ("unexplained", "seconds")
LEFT_OUT = ("open",)


def rounded(name: str, value: object) -> object:
    """A value of a row in few digits, bounds to their safe side; of a certificate whether it is there."""
    if name.startswith("certificate"):
        return None if value is None else "accepted"
    if not isinstance(value, float):
        return value
    if name.startswith(NEAREST):
        return float(f"{value:.4g}")
    return float((rounded_up if name.startswith(UP) else rounded_down)(value, DIGITS))


def main(run: Path) -> None:
    """Write docs/atlas/, and print the table of medians."""
    HERE.mkdir(exist_ok=True)
    whole = atlas_numbers(run / "atlas.parquet")
    rows = [{k: rounded(k, v) for k, v in row.items() if k not in LEFT_OUT} for row in whole.rows]
    ScanTable(rows).write(HERE / "atlas.csv")
    shutil.copyfile(run / "left-out.csv", HERE / "left-out.csv")
    numbers = atlas_numbers(HERE / "atlas.csv")
    atlas_page(HERE / "atlas.csv", HERE / "atlas.html")
    for kind in ATLAS_PICTURES:
        save_figure(draw_atlas(numbers, kind), HERE / f"{kind}.png")
    for line in (SUMMARY_HEAD, ["---"] * len(SUMMARY_HEAD), *summary_rows(numbers)):
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
