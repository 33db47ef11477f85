"""The picture of a scan: every number of the table once, in the colour of its status, and all statuses counted."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import fastminima as fm
from fastminima.errors import DataTypeError, OptionError
from fastminima.scanning.results import ScanReport


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(3)
    data = {}
    for m in (10, 40, 160):
        X = rng.normal(size=(m, 2))
        data[f"noise {m}"] = (X, rng.normal(size=m))
        data[f"line {m}"] = (X, X[:, 0])
    data["broken"] = ([[1.0], [2.0]], [np.nan, 1.0])
    return fm.scan(data)


def points(ax):
    return sorted((x, y) for line in ax.get_lines() for x, y in line.get_xydata().tolist())


def test_every_number_is_drawn_once_and_every_dataset_counted(report):
    rows = report.table
    display = fm.plot_scan(report)
    try:
        upper, lower = display.figure_.axes
        assert display.ax_ is upper
        radii = [(r["rows"], r["radius"]) for r in rows if r["radius"] and np.isfinite(r["radius"])]
        drops = [(r["rows"], r["relative_drop"]) for r in rows if r["relative_drop"]]
        assert len(radii) >= 3
        assert len(drops) == 3
        assert points(upper) == sorted(radii)
        assert points(lower) == sorted(drops)
        told = [text.get_text() for text in upper.get_legend().get_texts()]
        assert told == ["3 spurious", "3 global", "1 error"]
        display.figure_.canvas.draw()
    finally:
        plt.close(display.figure_)


def test_on_axes_of_ones_own_the_drops_are_drawn(report):
    ax = Figure().subplots()
    numbers = fm.plot_scan(report, title="mine", ax=ax).numbers
    assert numbers.status == tuple(r["status"] for r in report.table)
    kept = ~np.isnan(numbers.relative_drop)
    assert points(ax) == sorted(zip(numbers.rows[kept], numbers.relative_drop[kept], strict=True))
    assert ax.get_title() == "mine"


def test_a_scan_in_which_everything_failed_is_said(report, tmp_path):
    ax = Figure().subplots()
    fm.plot_scan(ScanReport(report.failed), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["none"]
    fm.plot_scan(ScanReport(report.failed), tmp_path / "failed.svg")
    assert (tmp_path / "failed.svg").read_bytes().startswith(b"<?xml")


def test_what_is_no_scan_is_named(report):
    with pytest.raises(DataTypeError, match="report must be a ScanReport"):
        fm.plot_scan(report[0])
    with pytest.raises(OptionError, match="no datasets"):
        fm.plot_scan(ScanReport([]))


def test_scans_and_probes_draw_themselves(report):
    ax = Figure().subplots()
    assert points(ax) == []
    numbers = report.plot(title="mine", ax=ax).numbers
    assert numbers.status == tuple(r["status"] for r in report.table)
    assert points(ax)
    minimum = report["noise 10"].minimum
    sweep = minimum.probe(radius=[0.01, 0.1], n=20)
    axes = Figure().subplots(1, 2)
    assert sweep[1].plot(ax=axes[0]).numbers is sweep[1]
    assert sweep.plot(ax=axes[1], certified=minimum.radius).numbers is sweep
    assert axes[0].get_xlabel() == "excess risk over the network"
    assert axes[1].get_xlabel() == "radius of the perturbation"
