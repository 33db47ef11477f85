"""House rules that no reader holds by eye: imports point downward, the paper's map is true, imports stay light."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastminima as fm

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "fastminima"

# lower layers first; a module may import from its own layer and from lower ones
LAYERS = [
    {"errors", "_version"},
    {
        "_validate",
        "_frames",
        "_atomic",
        "_optional",
        "_progress",
        "_reading",
        "_memory",
        "_threads",
        "formula",
        "formula_shape",
        "_curves",
        "activation",
    },
    {"kernels", "exact", "smooth", "activations"},
    {
        "dataset",
        "_sorted_sums",
        "_sum_scale",
        "splits",
        "batched",
        "smooth_risk",
        "_torch_activation",
        "_product_loss",
        "_row_loss",
        "_gradient_check",
        "_chain",
        "losses",
        "row_losses",
        "user_loss",
    },
    {"_passes", "_rounding", "_states", "_csv", "_selection", "readers", "demos", "network"},
    {"least_squares"},
    {"proof"},
    {"landscape"},
    {"theorems"},
    {"proving"},
    {"report"},
    {"scan"},
    {
        "cli",
        "cli_common",
        "cli_probe",
        "cli_linear",
        "cli_counterexample",
        "cli_prove",
        "cli_scan",
        "__main__",
        "__init__",
    },
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def module_name(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path):
    """(top-level package modules, outside packages) a file imports anywhere in it."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = parts[: len(parts) - node.level]
                target = [*base, *(node.module or "").split(".")] if node.module else [*base]
                names = [target[0]] if target and target[0] else [alias.name for alias in node.names]
                inside.update(names)
            elif node.module and node.module.split(".")[0] == "fastminima":
                inside.add(node.module.split(".")[1] if "." in node.module else "__init__")
            elif node.module:
                outside.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                outside.add(alias.name.split(".")[0])
    return inside, outside


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_point_downward(path):
    own = RANK[module_name(path)]
    for name in imports(path)[0]:
        assert name in RANK, f"{path.name} imports {name}, which has no layer"
        assert RANK[name] <= own, f"{path.relative_to(PACKAGE)} imports {name} from a higher layer"


def test_theorems_do_no_input_output_and_proof_never_imports_theorems():
    for path in (PACKAGE / "theorems").glob("*.py"):
        assert not imports(path)[1] & {"os", "io", "pathlib", "random", "threading", "json"}, path.name
    for path in (PACKAGE / "proof").glob("*.py"):
        assert "theorems" not in imports(path)[0], path.name


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


HEAVY = ["argparse", "csv", "multiprocessing", "concurrent.futures", "logging", "zipfile", "tempfile", "threadpoolctl"]
HEAVY_SCIPY = ["scipy.special", "scipy.stats", "scipy.optimize", "scipy.sparse"]
HEAVY_PARTS = [f"fastminima.{part}" for part in ("scan", "proof", "proving", "report", "landscape", "theorems")]


def test_importing_the_package_imports_nothing_heavy():
    # `-c` may have brought some along (site, coverage): only what the import adds counts
    watched = repr([*HEAVY, *HEAVY_SCIPY, *HEAVY_PARTS])
    code = (
        "import sys, numpy\nimport scipy.linalg.cython_blas\nbefore = set(sys.modules)\nimport fastminima\n"
        f"print([name for name in {watched} if name in sys.modules and name not in before])"
    )
    assert fresh(code) == ["[]"]


def test_theorem_1_needs_no_special_functions_and_no_scan():
    watched = repr([*HEAVY_SCIPY, "multiprocessing", "fastminima.scan", "fastminima.proving"])
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


def test_names_stay_functions_when_modules_of_the_same_name_are_imported():
    same = sorted(name for name in fm.__all__ if (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir())
    assert {"activation", "activations", "least_squares", "scan"} <= set(same)
    code = (
        "import fastminima.scan.table, fastminima.cli, fastminima as fm, pickle\n"
        "from fastminima import losses\nfrom fastminima import *\n"
        f"for name in {[name for name in same if name != 'errors']!r}:\n"
        "    assert globals()[name] is getattr(fm, name) and callable(getattr(fm, name)), name\n"
        "    assert pickle.loads(pickle.dumps(getattr(fm, name))) is getattr(fm, name), name\n"
        "print(losses.__name__, fm.network.__name__, fm.theorems.theorem1.__name__)"
    )
    assert fresh(code) == ["fastminima.losses fastminima.network fastminima.theorems.theorem1"]


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
        tests = re.findall(r"`(\w+)::(\w+)`", tested)
        assert tests, f"{place}: no test named"
        for file, name in tests:
            assert re.search(rf"^def {name}\(", (ROOT / "tests" / f"{file}.py").read_text(), re.M), (
                f"{file}::{name}"
            )


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


def test_no_file_is_more_than_one_job_long():
    # a checker that is to be read, copied and trusted by itself is one file
    alone = PACKAGE / "proof" / "check.py"
    for path in [*(f for f in FILES if f != alone), *(PACKAGE / "kernels").glob("*.pyx")]:
        assert len(path.read_text().splitlines()) <= 500, path.name
