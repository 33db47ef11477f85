"""From nothing to the first result: installing from source and from a wheel, two cores against one.

Wall time, as a newcomer feels it; downloads are warm (NumPy and SciPy are installed once before anything is timed). Each run
has a fresh environment and a fresh copy of the committed files. The checksum is the proved drop on the diabetes table.

    python bench/bench_install.py [path of another Python]
    python bench/bench_install.py --quick      # nothing is installed: the first result alone
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDS = ("numpy", "scipy", "threadpoolctl", "matplotlib", "rich")


def quietly(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def copied(room: Path) -> Path:
    """The committed files, without anything that was built."""
    shutil.rmtree(room / "project", ignore_errors=True)
    quietly("git", "clone", "--quiet", str(ROOT), "project", cwd=room)
    return room / "project"


def environment(python: str, room: Path) -> str:
    shutil.rmtree(room / "venv", ignore_errors=True)
    quietly(python, "-m", "venv", "venv", cwd=room)
    return str(room / "venv" / "bin" / "python")


def installed(python: str, room: Path, what: str, cores: str = "") -> float:
    """Seconds of pip for `what`, in an environment made beforehand."""
    pip = [environment(python, room), "-m", "pip", "install", "--quiet", "--no-compile", what]
    start = time.perf_counter()
    quietly(*(["taskset", "-c", cores] if cores else []), *pip, cwd=room)
    return time.perf_counter() - start


def first_result(python: str, room: Path) -> tuple[float, str]:
    start = time.perf_counter()
    text = quietly(python, "-m", "fastminima", "construct", "demo:diabetes", "--json", cwd=room)
    return time.perf_counter() - start, next(line.strip() for line in text.splitlines() if "drop" in line)


def main() -> None:
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    if python == "--quick":
        seconds, drop = first_result(sys.executable, Path.cwd())
        print(f"a construction from the command line {seconds:6.1f}   {drop}")
        return
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        quietly(environment(python, room), "-m", "pip", "install", "--quiet", *NEEDS, cwd=room)
        print(
            f"{quietly(python, '--version', cwd=room).strip()}, {len(os.sched_getaffinity(0))} cores, wall seconds"
        )
        both = installed(python, room, str(copied(room)))
        one = installed(python, room, str(copied(room)), cores="0")
        print(
            f"pip install . from source               {both:6.1f}   on one core {one:6.1f}   ratio {one / both:.2f}"
        )
        start = time.perf_counter()
        quietly("make", f"PYTHON={python}", "demo", cwd=copied(room))
        print(f"make demo from a checkout               {time.perf_counter() - start:6.1f}")
        builder = environment(python, room)
        quietly(builder, "-m", "pip", "install", "--quiet", "build", cwd=room)
        quietly(
            builder, "-m", "build", "--outdir", str(room), str(copied(room)), cwd=room, FASTMINIMA_ABI3="1"
        )
        wheel = str(next(room.glob("*.whl")))
        seconds = installed(python, room, f"{wheel}[demo]")
        run, drop = first_result(str(room / "venv" / "bin" / "python"), room)
        print(f"the wheel, its needs and a construction {seconds + run:6.1f}   {drop}")


if __name__ == "__main__":
    main()
