"""What README and the gallery show passes a strict type check, as a user's own code would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHOWN = [ROOT / "README.md", *sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))]


def code_of(path: Path) -> str:
    """The Python of a page: its fenced blocks one after another; of an example all of it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def checked(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Of mypy --strict on these files, the library found where it is."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--cache-dir",
        str(folder / "cache"),
    ]
    quiet = ["--config-file", os.devnull, "--ignore-missing-imports", "--disable-error-code=import-untyped"]
    # the library's own modules are checked with its own settings, elsewhere
    quiet += ["--follow-imports", "silent"]
    environment = os.environ | {"MYPYPATH": str(ROOT / "src")}
    return subprocess.run(
        [*words, *quiet, *files], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not os.environ.get("FASTMINIMA_VERIFY"), reason="runs mypy on the library (make verify)")
def test_what_is_shown_passes_a_strict_check(tmp_path):
    pytest.importorskip("mypy")
    files = {f"shown_{path.stem.lower()}.py": code_of(path) for path in SHOWN}
    assert len(files) >= 11
    assert all(text.strip() for text in files.values())
    done = checked(tmp_path, files)
    assert done.returncode == 0, done.stdout + done.stderr
    # lists are arrays, and activations have names
    given = "fm.OneHiddenLayer([[1.0], [2.0]], [0, 1], [1.0, 1.0], 0, 'leaky_relu:0.2')"
    shown = "network.W1.shape, fm.HuberLoss([[1.0]], [2.0]), fm.probe(network)"
    kinds = f"import fastminima as fm\nnetwork = {given}\nprint({shown})\n"
    done = checked(tmp_path, {"kinds.py": kinds})
    assert done.returncode == 0, done.stdout + done.stderr
    # and what is wrong does not
    wrong = {
        "wrong_method.py": 'import fastminima as fm\nfm.better_point(fm.spurious_minimum(fm.load_demo("xor")), "papr")\n',
        "wrong_loss.py": 'import fastminima as fm\nfm.spurious_minimum(fm.load_demo("xor"), "elu", 2, loss="hubre")\n',
        "wrong_data.py": "import fastminima as fm\nfm.HuberLoss(1, None)\n",
        "wrong_distribution.py": 'import fastminima as fm\nfm.probe(None, None, distribution="cube")\n',
    }
    done = checked(tmp_path, wrong)
    assert done.returncode == 1
    for name in wrong:
        assert f"{name}:2: error" in done.stdout
