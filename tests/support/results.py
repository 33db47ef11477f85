"""One result of every public class, small and quick to make, with names that would be markup if they were not escaped."""

from __future__ import annotations

from functools import cache

import numpy as np

import fastminima as fm
from fastminima.interop.escape_runs import EscapeRun, EscapeStart, Outcome
from fastminima.interop.training import Trace
from fastminima.scanning.chart_table import Chart, row_fields
from fastminima.scanning.installed_tables import LeftOut
from fastminima.system.results import Result

# what a page, a table of LaTeX or a terminal would take for more than text
NAMES = ("<script>alert(1)</script>", "a&b_%$#", 'c"\x1b[31m')
TARGET = "<img src=x onerror=alert(2)>"


def data(m: int = 20, seed: int = 3) -> fm.Dataset:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(m, 3)), rng.normal(size=m)
    weight = rng.choice([0.5, 1.0, 2.0], m)
    return fm.Dataset(X, y, sample_weight=weight, feature_names=NAMES, target_name=TARGET)


def _benchmark(low: fm.SpuriousMinimum) -> fm.EscapeBenchmark:
    """As `escape_benchmark` hands it back, without PyTorch."""
    polished = low.polish()
    start = EscapeStart(low.network, polished)
    better = fm.better_point(low)
    steps, risk = np.array([0, 1, 10]), np.array([low.risk, low.risk, better.risk])
    runs = [
        EscapeRun(
            optimiser=name, start=0, noise=noise, distance=0.1, repeat=0, outcome=outcome, reason="by hand",
            began_in_region=True, first_lower=None if outcome is Outcome.RETURNED else 10, begin=low.network,
            trace=Trace(steps, risk, better.network), polish=None if outcome is Outcome.RETURNED else polished,
        )
        for name, noise, outcome in (("adam", 0.5, Outcome.RETURNED), ("adam", 2.0, Outcome.ESCAPED))
    ]  # fmt: skip
    return fm.EscapeBenchmark((start,), tuple(runs), ("adam",), (0.5, 2.0), "radius", None)


def _atlas() -> fm.Atlas:
    """As `atlas` hands it back, without packages that carry tables."""
    numbers = {
        "m": 9, "d": 1, "n": 8, "minimum": "spurious", "radius": float("inf"), "case": 1, "unexplained": 0.5,
        "pure_error": 0.125, "lower_2": 0.25, "upper_2": 0.5, "gap_least_2": 0.5, "gap_most_2": 0.75,
        "certificate_2": "width-2.json", "seconds": 0.5,
    }  # fmt: skip
    row = dict.fromkeys(row_fields((2,)))
    done = row | numbers | {"table": f"sklearn/{NAMES[0]}", "status": "done"}
    failed = row | {"table": f"sklearn/{NAMES[2]}", "status": "error", "error": f"ValueError: {TARGET}"}
    charts = [Chart(done, {"width-2.json": "{}"}), Chart(failed)]
    return fm.Atlas(charts, [LeftOut(f"sklearn/{NAMES[1]}", "too few rows")], (2,))


@cache
def all_results() -> dict[str, list[Result]]:
    """By class, of some several that differ in what they hold."""
    table = data()
    low = fm.spurious_minimum(table)
    better = fm.better_point(low)
    affine = fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]))
    two = fm.Dataset(table.X, np.column_stack([table.y, table.X[:, 0] ** 2]), target_names=["u", TARGET])
    deep = fm.spurious_minimum(two, "elu", (4, 4))
    narrow = fm.spurious_minimum(two, "tanh", 3)
    x = [[float(v)] for v in range(-3, 4)]
    line = fm.Dataset(x, [0.0, 0, 2, 3, -3, -2, 2], feature_names=NAMES[:1])
    minimum = fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu)
    saddle = fm.OneHiddenLayer([[1.0]], [-1.0], [1.0], 0.0, fm.relu)
    tanh = fm.OneHiddenLayer([[1.0], [0.5]], [0.0, 0.25], [1.0, -1.0], 0.0, "tanh")
    wave = fm.OneHiddenLayer([[1.0]], [0.5], [1.0], 0.0, fm.activation("tanh"))
    smooth = fm.polish(wave, line, weight_decay=0.5)
    found = fm.fit_network(line, width=2, n_starts=2)
    brackets = fm.bracket(line, width=[1, 2], n_starts=2)
    rng = np.random.default_rng(0)
    point = fm.critical_point(widths=(3, 2, 2), rng=1)
    weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    loss = fm.SquaredLoss(
        rng.integers(-2, 3, (6, 2)).astype(float), rng.integers(-2, 3, (6, 2)).astype(float)
    )
    flat = fm.classify_linear(weights, loss)
    near = fm.classify_linear([rng.normal(size=(2, 2)), rng.normal(size=(2, 2))], loss, tol=1e-6)
    pair = fm.counterexample("tanh")
    scan = fm.scan([table, affine.data])
    return {
        "Atlas": [_atlas(), fm.Atlas([], [], (2, 4))],
        "BetterPoint": [better, fm.better_point(affine), fm.better_point(low, "kink")],
        "Bracket": list(brackets),
        "Brackets": [brackets],
        "Certificate": [fm.prove(low, better)],
        "CounterExample": [pair, pair.image(scale=2.0), fm.counterexample("identity")],
        "CriticalPoint": [point],
        "Decision": [fm.decide(minimum, line), fm.decide(saddle, line, ball=0.5)],
        "DeepBetterPoint": [fm.better_point(deep), fm.better_point(narrow)],
        "DeepMinimum": [deep, narrow],
        "EscapeBenchmark": [_benchmark(low)],
        "Interpolation": [fm.interpolation_width(line)],
        "LeastSquares": [low.fit, fm.least_squares(line)],
        "LinearEscape": [flat.escape],
        "LinearReport": [flat, near, point.report],
        "LocalInverse": [fm.local_inverse([np.eye(2), 2.0 * np.eye(2)])],
        "NetworkFit": [found],
        "Polish": [fm.polish(saddle, line), low.polish()],
        "Probe": [low.probe(radius=0.1, n=50), low.probe(radius=0.1, n=9, keep=True), low.probe(n=0)],
        "ProbeSweep": [low.probe(radius=[0.1, 10.0], n=50)],
        "ScanReport": [scan],
        "ScanResult": list(scan),
        "SmoothDecision": [smooth.decision, fm.decide(tanh, line)],
        "SmoothMinimum": [smooth.exact],
        "SmoothPolish": [smooth],
        "SpuriousMinimum": [low, affine, *low.sample(1, 0)],
    }
