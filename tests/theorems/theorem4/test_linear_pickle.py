"""Reports and critical points survive a pickle: a fresh interpreter reads the same from them, lazy parts included."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastminima as fm
from fastminima.theorems.theorem4.decide_within_tolerance import within_tolerance
from fastminima.theorems.theorem4.local_inverse import local_inverse


def well(R):
    return float(((R**2 - 1) ** 2).sum())


def slope(R):
    return 4 * R * (R**2 - 1)


def told(report: fm.LinearReport) -> dict[str, Any]:
    """Everything a report says, in plain numbers and words."""
    pair = report.escape
    return {
        "text": str(report),
        "verdict": report.verdict,
        "meaning": report.verdict.meaning,
        "certified": report.certified,
        "tol": report.tol,
        "norms": (report.gradient_norms, report.product_gradient_norm),
        "ranks": report.ranks,
        "j_star": report.j_star,
        "margins": report.margins,
        "facts": report.facts,
        "order": report.escape_order,
        "squared": None
        if report.squared is None
        else (report.squared.critical_value, report.squared.indices),
        "weights": [W.tobytes() for W in report.weights],
        "pair": None if pair is None else [M.tobytes() for M in (*pair.P, *pair.Q)],
        "exact": None if pair is None else (pair.exact_P, pair.exact_Q),
        "changes": None if pair is None else (pair.up, pair.down, pair.confirmed, pair.radius),
    }


def _zero(widths):
    return [np.zeros((b, a)) for a, b in pairwise(widths)]


def _data(dx, dy, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(20, dx)), rng.normal(size=(20, dy))


def kinds() -> dict[str, fm.LinearReport]:
    """A report of every verdict, decided either way, for every kind of loss and every way out."""
    reports = {}
    for kind in ("minimum", "case1", "case2"):
        for widths in ([3, 4, 3, 2], [2, 3, 4, 3]):
            point = fm.critical_point(widths=widths, kind=kind, rng=3)
            reports[f"{kind} {widths}, exact"] = point.report
            reports[f"{kind} {widths}, tol"] = fm.classify_linear(point.weights, point.loss, 1e-9)
            loose = fm.HuberLoss(point.X, point.Y, 1e9)
            reports[f"{kind} {widths}, Huber"] = fm.classify_linear(point.weights, loose)
    X, Y = _data(3, 2)
    squared = fm.SquaredLoss(X, Y)
    reports["not critical, exact"] = fm.classify_linear([np.ones((3, 3)), np.ones((2, 3))], squared)
    reports["not critical, tol"] = fm.classify_linear([np.ones((3, 3)), np.ones((2, 3))], squared, 1e-6)
    classes = Y.argmax(axis=1)
    for loss in (
        fm.LogisticLoss(X, Y > 0),
        fm.SoftmaxCrossEntropy(X, classes, 2),
        fm.LogCoshLoss(X, Y),
        fm.SmoothedQuantileLoss(X, Y, 0.3, 0.25),
        fm.WeightedSum([squared, fm.LogCoshLoss(X, Y)], [0.5, 2]),
        fm.Loss(squared.value, squared.gradient, convex=True, second_order=1e3, accuracy=1e-9),
    ):
        reports[f"zero, {type(loss).__name__}"] = fm.classify_linear(_zero([3, 4, 4, 2]), loss, 1e-6)
    for k, kind in ((0, "minimum"), (1, "saddle")):
        point = fm.critical_point(X, Y, [3, 1, 2], indices=[k], kind=kind, rng=k)
        reports[f"bottleneck, {kind}"] = point.report
        narrow = fm.HuberLoss(X, Y, 1e3)
        reports[f"bottleneck, Huber, {kind}"] = fm.classify_linear(point.weights, narrow, 1e-6)
    mine, eye = fm.Loss(well, slope), np.eye(2)
    for name, weights in (
        ("local minimum", [eye, np.ones((2, 2))]),
        ("local maximum", [eye, 0 * eye]),
        ("part 3", [eye, eye]),
        ("undetermined", [np.diag([1.0, 0.0])] * 3),
    ):
        reports[name] = fm.classify_linear(weights, mine, 1e-9)
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    hill = fm.WeightedSum([fm.SquaredLoss(square, square)], [-2])
    reports["global maximum"] = fm.classify_linear([eye, eye], hill)
    over = [fm.SquaredLoss(square * [1, 2], 0 * square), fm.SquaredLoss(square * [2, 1], 0 * square)]
    reports["part 3, exact"] = fm.classify_linear([0 * eye, eye], fm.WeightedSum(over, [1, -1]))
    return reports


CODE = """
import pickle, sys
for place in {places!r}:
    sys.path.insert(0, place)
from test_linear_pickle import of_point, told
read = pickle.load(sys.stdin.buffer)
answer = {{name: told(report) for name, report in read["reports"].items()}}
points = [of_point(point) for point in read["points"]]
sys.stdout.buffer.write(pickle.dumps((answer, points)))
"""


def _in_a_fresh_interpreter(content: dict[str, Any]) -> Any:
    here = Path(__file__).parent
    source = Path(fm.__file__).parent.parent
    code = CODE.format(places=[str(here), str(source)])
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(content), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    return pickle.loads(run.stdout)


def of_point(point: fm.CriticalPoint) -> tuple[Any, ...]:
    weights = [W.tobytes() for W in point.weights]
    return told(point.report), weights, point.kind, point.j_star, point.rank, point.indices


def test_reports_and_points_of_every_kind_are_the_same_in_a_fresh_interpreter():
    X, Y = _data(3, 2)
    points = [
        fm.critical_point(widths=[3, 4, 3, 2], kind="case2", rng=1),
        fm.critical_point(widths=[2, 2, 2], kind="minimum", rng=1),
        fm.critical_point(widths=[3, 4, 2], indices=[1], rng=1),
        fm.critical_point(X, Y, [3, 4, 3, 2], indices=[0], rng=1),
    ]
    reports = kinds()
    assert {report.verdict for report in reports.values()} == set(fm.LinearVerdict)
    # pickled before anything was asked of most of them: what is lazy is worked out over there
    fresh, read = _in_a_fresh_interpreter({"reports": reports, "points": points})
    for name, report in reports.items():
        assert fresh[name] == told(report), name
    assert read == [of_point(point) for point in points]


def test_what_was_asked_before_comes_along():
    report = kinds()["case2 [3, 4, 3, 2], exact"]
    pair, order = report.escape, report.escape_order
    copy = pickle.loads(pickle.dumps(report))
    assert {"escape", "escape_order"} <= set(vars(copy))
    assert copy.escape_order == order
    assert [M.tobytes() for M in copy.escape.P] == [M.tobytes() for M in pair.P]
    assert repr(copy) == repr(report)


def test_losses_findings_and_local_inverses_are_pickled_too():
    X, Y = _data(3, 2)
    weights = [np.eye(3), np.eye(2, 3)]
    R, D = np.ones((2, 3)), 1e-3 * np.ones((2, 3))
    for loss in (
        fm.SquaredLoss(X, Y, bias=False),
        fm.HuberLoss(X, Y, 0.5),
        fm.LogisticLoss(X, Y > 0),
        fm.SoftmaxCrossEntropy(X, Y.argmax(axis=1), 2),
        fm.LogCoshLoss(X, Y),
        fm.SmoothedQuantileLoss(X, Y, 0.3, 0.25),
        fm.WeightedSum([fm.SquaredLoss(X, Y), fm.HuberLoss(X, Y)], [1, 2]),
    ):
        copy = pickle.loads(pickle.dumps(loss))
        assert repr(copy) == repr(loss)
        assert copy.value(R) == loss.value(R)
        assert copy.change(R, D) == loss.change(R, D)
        found, other = within_tolerance(weights, loss, 1e-6), within_tolerance(weights, copy, 1e-6)
        assert (found.verdict, found.gradient_norms) == (other.verdict, other.gradient_norms)
        assert pickle.loads(pickle.dumps(found)).reason == found.reason
    inverse = local_inverse([np.eye(2), np.diag([1.0, 2.0])])
    copy = pickle.loads(pickle.dumps(inverse))
    assert all(np.array_equal(a, b) for a, b in zip(copy(R[:, :2]), inverse(R[:, :2]), strict=True))


def test_a_report_is_made_by_keywords_alone():
    with pytest.raises(TypeError, match="positional"):
        fm.LinearReport(fm.LinearVerdict.SADDLE, "part", "reason", True, None, (), 0.0)
    report = fm.LinearReport(
        verdict=fm.LinearVerdict.SADDLE,
        part="part",
        reason="reason",
        certified=True,
        tol=None,
        gradient_norms=(),
        product_gradient_norm=0.0,
    )
    assert report.escape is report.squared is report.escape_order is None
