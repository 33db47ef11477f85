"""House rules that no reader holds by eye: imports point downward, the paper's map is true, imports stay light."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import fastminima as fm
from places import ROOT

PACKAGE = ROOT / "src" / "fastminima"

# The floors: what stands in a row may use the rows below it, and of its own row nothing but itself.
FLOORS = [
    {"__main__"},
    {"cli", "sklearn", "__init__"},
    {"reporting"},
    {"proof", "scanning", "interop"},
    {"theorems", "landscape"},
    {"networks", "losses", "fit"},
    {"data"},
    {"exact"},
    {"system"},
    {"kernels"},
    {"errors", "_version"},
]
FLOOR = {name: -row for row, names in enumerate(FLOORS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def name_of(path: Path) -> str:
    """The dotted name of a module, without the package's own: `data.read`, or `data` for its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path) for path in FILES} | {name_of(path) for path in PACKAGE.rglob("*.pyx")}


def imports(path: Path):
    """(modules of the package, packages outside) that a file imports anywhere in it, also for types."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                target = ".".join([*parts[: len(parts) - node.level], *filter(None, [node.module])])
            elif (node.module or "").partition(".")[0] == "fastminima":
                target = node.module.partition(".")[2]
            else:
                outside.add((node.module or "").partition(".")[0])
                continue
            for alias in node.names:
                whole = f"{target}.{alias.name}".strip(".")
                inside.add(whole if whole in MODULES else target or "__init__")
        elif isinstance(node, ast.Import):
            outside.update(alias.name.partition(".")[0] for alias in node.names)
    return inside, outside


IMPORTS = {name_of(path): imports(path)[0] for path in FILES}


def test_the_root_holds_rooms_and_no_public_name():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    rooms = {name for name in entries if (PACKAGE / name).is_dir()}
    assert rooms == set(FLOOR) - {"__main__", "__init__", "errors", "_version"}
    assert entries - rooms == {"errors.py", "__init__.py", "__main__.py", "_version.py", "py.typed"}
    assert len(rooms) == 15
    assert not {name.removesuffix(".py") for name in entries} & (set(fm.__all__) - {"errors"})


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_point_downward(path):
    own = name_of(path).partition(".")[0]
    for name in IMPORTS[name_of(path)]:
        room = name.partition(".")[0]
        assert room in FLOOR, f"{path.name} imports {name}, which has no floor"
        assert room == own or FLOOR[room] < FLOOR[own], (
            f"{path.relative_to(PACKAGE)} imports {name} from no lower floor"
        )


def test_results_alone_call_the_library_by_its_public_names():
    """`import fastminima` reaches every floor, so nothing below the command line may, but for a result's methods."""
    callers = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            callers |= {name_of(path) for name in names if name.partition(".")[0] == "fastminima"}
            assert not any(name.startswith("fastminima.") for name in names), path.name
    assert callers == {"networks.next_steps", "system.results"}


def test_no_modules_import_each_other():
    """Not in functions either, nor for types alone."""
    left = {name: found - {name, "__init__"} for name, found in IMPORTS.items() if name != "__init__"}
    while free := [name for name, found in left.items() if not found & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {left}"


def test_theorems_are_apart_and_do_no_input_or_output():
    for path in (PACKAGE / "theorems").rglob("*.py"):
        inside, outside = imports(path)
        assert not outside & {"os", "io", "pathlib", "random", "threading", "json", "pickle", "tempfile"}, (
            path.name
        )
        assert not inside & {"system.files", "system.progress"}, path.name
        own = name_of(path).split(".")[:2]
        others = {name for name in inside if name.startswith("theorems.") and name.split(".")[:2] != own}
        assert not others, f"{path.relative_to(PACKAGE)} imports {others}"


SHARED = {"drop", "unit_in_frame", "splits"}  # small pieces that a proof and a construction both use


def test_what_decides_a_claim_knows_nothing_of_what_made_it():
    deciders = list((PACKAGE / "theorems").rglob("certify_*.py"))
    assert len(deciders) >= 4
    for path in deciders:
        folder = name_of(path).rpartition(".")[0]
        for name in imports(path)[0]:
            if name.startswith("theorems."):
                rest = name.removeprefix(folder + ".").partition(".")[0]
                assert rest.startswith("certify_") or rest in SHARED, f"{path.name} imports {name}"


def test_the_checker_is_standard_library_alone():
    inside, outside = imports(PACKAGE / "proof" / "check.py")
    assert not inside
    assert outside <= sys.stdlib_module_names


# Rooms that users import from by name, because the whole package does not load what these need: they hand names on.
DOORS = {"sklearn"}


@pytest.mark.parametrize("folder", FOLDERS, ids=[str(p.relative_to(PACKAGE)) for p in FOLDERS])
def test_a_room_says_what_it_is_for_and_lists_its_modules_lowest_first(folder):
    tree = ast.parse((folder / "__init__.py").read_text())
    body = tree.body
    if folder.name in DOORS:
        body = [node for node in body if not (isinstance(node, ast.ImportFrom) and node.level == 1)]
        body = [node for node in body if not (isinstance(node, ast.Assign) and node.targets[0].id == "__all__")]
    assert len(body) == 1, f"{folder.name}/__init__.py does more than describe"
    text = ast.get_docstring(tree)
    assert text
    assert text.splitlines()[0].endswith(".")
    if folder.name == "kernels":
        # it lists functions, with their shapes and costs
        assert re.findall(r"^(_\w+)$", text, re.M) == sorted(path.stem for path in folder.glob("*.pyx"))
        return
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^- (`.*?):", text, re.M)))
    found = {p.stem for p in folder.glob("*.py")} | {
        p.name for p in folder.iterdir() if (p / "__init__.py").exists()
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == found - {"__init__"}
    room = name_of(folder / "__init__.py")
    for position, name in enumerate(listed):
        later = {f"{room}.{other}" for other in listed[position + 1 :]}
        inner = [
            imported for module, imported in IMPORTS.items() if f"{module}.".startswith(f"{room}.{name}.")
        ]
        for imported in set().union(*inner):
            assert not any(f"{imported}.".startswith(f"{other}.") for other in later), (
                f"{name} uses {imported}"
            )


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_every_arrow_that_leaves_a_folder_shows_in_its_import(path):
    """`from .x` inside a folder, `from fastminima.x` across folders."""
    room = ".".join(["fastminima", *path.relative_to(PACKAGE).parent.parts])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and path.parent != PACKAGE:
            assert node.level <= 1, f"line {node.lineno}: `from {'.' * node.level}` leaves the folder"
            if node.level:
                assert "." not in (node.module or ""), f"line {node.lineno}: a folder below is another folder"
            else:
                assert (node.module or "").rpartition(".")[0] != room, f"line {node.lineno}: write `from .`"


def fresh(code: str) -> list[str]:
    """What a new interpreter prints."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_core_needs_numpy_scipy_and_threadpoolctl_only():
    # every name is imported, as a star does it
    code = (
        "import sys\nfrom fastminima import *\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "extras = {'sklearn', 'pandas', 'pyarrow', 'matplotlib', 'rich', 'flint', 'torch', 'polars', 'h5py', 'zarr'}\n"
        "extras |= {'dask', 'distributed'}\n"
        "print(' '.join(sorted(loaded & extras)))\n"
        "print('scipy.optimize' in sys.modules)"
    )
    assert fresh(code) == ["", "False"]


HEAVY = [
    "argparse",
    "csv",
    "multiprocessing",
    "concurrent.futures",
    "logging",
    "zipfile",
    "tempfile",
    "threadpoolctl",
]
HEAVY_SCIPY = ["scipy.special", "scipy.stats", "scipy.optimize", "scipy.sparse"]
HEAVY_PARTS = [
    f"fastminima.{part}" for part in ("scanning", "proof", "reporting", "landscape", "theorems", "fit", "losses")
]


def test_importing_the_package_imports_nothing_heavy():
    # `-c` may have brought some along (site, coverage): only what the import adds counts
    watched = repr([*HEAVY, *HEAVY_SCIPY, *HEAVY_PARTS])
    code = (
        "import sys, numpy\nimport scipy.linalg.cython_blas\nbefore = set(sys.modules)\nimport fastminima\n"
        f"print([name for name in {watched} if name in sys.modules and name not in before])"
    )
    assert fresh(code) == ["[]"]


def test_theorem_1_needs_no_special_functions_and_no_scan():
    watched = repr([*HEAVY_SCIPY, "multiprocessing", "fastminima.scanning", "fastminima.proof"])
    code = (
        "import sys, numpy\nbefore = set(sys.modules)\nimport fastminima as fm\n"
        "fm.better_point(fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0])))\n"
        f"print([name for name in {watched} if name in sys.modules and name not in before])"
    )
    assert fresh(code) == ["[]"]


def test_public_names_are_the_same_for_type_checkers_and_the_interpreter():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname: node.module for node in block.body for alias in node.names}
    assert typed == fm._HOMES
    assert set(fm.__all__) == {"errors", *typed}
    assert set(fm.__all__) <= set(dir(fm))
    for name, module in typed.items():
        assert getattr(fm, name) is getattr(importlib.import_module(f"fastminima.{module}"), name)
    assert not hasattr(fm, "no_such_name")


def test_modules_that_documentation_names_are_found():
    code = (
        "import fastminima.scanning.table, fastminima.cli.main, fastminima as fm\n"
        "from fastminima import formula\n"
        "print(formula.__name__, fm.formula is formula, fm.scanning.__name__, callable(fm.scan))"
    )
    assert fresh(code) == ["fastminima.networks.activations.formula True fastminima.scanning True"]


def test_a_pickled_result_is_read_where_nothing_has_been_imported(tmp_path):
    low = fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0]))
    path = tmp_path / "low.pickle"
    path.write_bytes(pickle.dumps(low))
    code = f"import pickle\nlow = pickle.load(open({str(path)!r}, 'rb'))\nprint(low.risk.hex(), low.network.W1.tolist())"
    assert fresh(code) == [f"{low.risk.hex()} {low.network.W1.tolist()}"]


def paper_rows():
    for line in (ROOT / "PAPER.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and not set(cells[0]) <= {"-", " "} and cells[0] != "paper":
            yield cells


def test_the_map_of_the_paper_names_things_that_exist():
    rows = list(paper_rows())
    tests = {path.stem: path for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(rows) >= 15
    for place, _, realised, tested in rows:
        for dotted in re.findall(r"`([\w.]+)`", realised):
            owner, parts = fm, dotted.split(".")
            while parts:
                name = parts.pop(0)
                if not hasattr(owner, name):
                    owner = importlib.import_module(f"{owner.__name__}.{name}")
                else:
                    owner = getattr(owner, name)
            assert owner is not fm, f"{place}: {dotted} does not exist"
        named = re.findall(r"`(\w+)::(\w+)`", tested)
        assert named, f"{place}: no test named"
        for file, name in named:
            assert re.search(rf"^def {name}\(", tests[file].read_text(), re.M), f"{file}::{name}"


def test_every_kernel_has_a_stub_and_a_twin():
    twins = "".join(p.read_text() for p in (PACKAGE / "kernels").glob("reference*.py"))
    for source in (PACKAGE / "kernels").glob("*.pyx"):
        stub = source.with_suffix(".pyi")
        assert stub.exists(), stub.name
        # what fills an array is a kernel; the rest describes sizes
        signatures = re.findall(r"^def ([a-z]\w*)\((.*?)\):", source.read_text(), re.M | re.S)
        names = [name for name, arguments in signatures if re.search(r"\b(\w+_)?out\b", arguments)]
        assert names
        missing = [name for name in names if not re.search(rf"^def {name}\(", twins, re.M)]
        assert not missing, f"{source.name}: no twin for {missing}"


def test_a_kernel_is_built_anew_after_the_headers_it_includes(monkeypatch):
    import setuptools

    told = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: told.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    depends = {module.name.rpartition(".")[2]: {Path(p).name for p in module.depends} for module in told["ext_modules"]}
    headers = {path.name for path in (PACKAGE / "kernels").glob("*.h")}
    assert set().union(*depends.values()) == headers
    assert {"_forward_wide.h", "_simd.h", "_words.h"} <= depends["_forward"] & depends["_smooth"]
    assert "_forward.h" not in depends["_splits"]
    assert not depends["_blas"]


def test_no_file_is_more_than_one_job_long():
    # a checker that is to be read, copied and trusted by itself is one file
    alone = PACKAGE / "proof" / "check.py"
    for path in [*(f for f in FILES if f != alone), *(f for end in KERNEL_FILES for f in PACKAGE.rglob(end))]:
        assert len(path.read_text().splitlines()) <= 500, path.name


KERNEL_FILES = ["*.pyx", "*.h", "*.pyi"]

# What users call with more keywords bundles them at once; everything behind it takes the bundle.
BUNDLES = {
    "data.dataset.Dataset.__init__": "Cleaning",
    "data.read.read": "_Reading",
    "data.sources.open_sources.open_sources": "Options",
    "interop.optimisers.escape_benchmark": "EscapeOptions",
    "landscape.bracket.bracket.bracket": "SearchLimits",
    "landscape.bracket.fit_network.fit_network": "SearchLimits",
    "landscape.probe.probe": "ProbeOptions",
    "losses.custom.Loss.__init__": "Stated",
    "networks.batched_risk.batched_risk": "StackedNetworks",
    "scanning.atlas.atlas": "AtlasOptions",
    "scanning.scan.scan": "ScanOptions",
    "theorems.theorem4.critical_points.critical_point.critical_point": "Wanted",
}
MOST_ARGUMENTS = 7
MOST_LINES = 60


def functions(path: Path):
    """(dotted name, node) of every function of a file, methods with their class."""
    todo = [(name_of(path), ast.parse(path.read_text()))]
    while todo:
        owner, node = todo.pop()
        for child in ast.iter_child_nodes(node):
            name = owner
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{owner}.{child.name}"
            if isinstance(child, ast.FunctionDef):
                yield name, child
            todo.append((name, child))


def lines_of_code(node: ast.FunctionDef, text: str) -> int:
    """Lines that hold code: neither blank, nor a comment, nor of the docstring."""
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        lines[first.lineno - node.lineno : first.end_lineno - node.lineno + 1] = []
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


# kernel twins repeat a kernel's signature; the checker is one file that is read from the top
OURS = [path for path in FILES if "reference_" not in path.name and path.name != "check.py"]


def test_no_function_is_long_or_takes_many_arguments():
    bundled = set()
    for path in OURS:
        text = path.read_text()
        for name, node in functions(path):
            assert lines_of_code(node, text) <= MOST_LINES, name
            arguments = [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
            if len([a for a in arguments if a not in {"self", "cls"}]) > MOST_ARGUMENTS:
                calls = {
                    getattr(call.func, "id", "") for call in ast.walk(node) if isinstance(call, ast.Call)
                }
                assert BUNDLES.get(name) in calls, f"{name} takes {len(arguments)} arguments and bundles none"
                bundled.add(name)
    assert bundled == set(BUNDLES)


def test_tests_leave_the_digits_of_mpmath_as_they_were():
    """They are one number for the process: support/precision.py and `workdps` give them back."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name not in ("precision.py", "test_architecture.py"):
            assert not re.search(r"\b(mp|iv)\.(dps|prec)\s*=[^=]", path.read_text()), path
