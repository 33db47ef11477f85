"""`make fuzz`: every target in turn, under Atheris where it is installed and Hypothesis elsewhere.

    python tests/fuzz/run.py [seconds in all] [target ...]

New inputs and findings stay in build/fuzz/<target>; a finding's file is run again by `run.py --again FILE TARGET`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent.parent / "support"))
FOLDER = HERE.parent.parent.parent / "build" / "fuzz"


def under_atheris(name: str, seconds: int, corpus: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["fastminima"], enable_loader_override=False):
        import fastminima.data.read
        import fastminima.interop.network_files
        import fastminima.networks.one_hidden_layer
        import fastminima.proof.check
        import fastminima.proof.prove
        import fastminima.scanning.checkpoint
        import fastminima.theorems.theorem1.better_point  # noqa: F401
    import fuzz_targets

    target = fuzz_targets.TARGETS[name]
    options = [
        f"-max_total_time={seconds}",
        "-timeout=60",
        "-rss_limit_mb=4096",
        "-max_len=20000",
        "-print_final_stats=1",
    ]
    options += [f"-artifact_prefix={corpus.parent}/finding-", "-verbosity=0", str(corpus)]
    atheris.Setup([sys.argv[0], *options], lambda data: fuzz_targets.quiet(target, data))
    atheris.Fuzz()


def under_hypothesis(name: str, seconds: int, corpus: Path) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    import fuzz_targets

    target, end, runs = fuzz_targets.TARGETS[name], time.monotonic() + seconds, 0
    known = [path.read_bytes() for path in sorted(corpus.iterdir())]
    piece = st.one_of(
        st.binary(max_size=8),
        st.sampled_from(known).flatmap(lambda seed: st.sampled_from([seed[:9], seed[-9:]])),
    )
    changes = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), piece), max_size=4)

    @settings(max_examples=200, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(known), changes)
    def once(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
        nonlocal runs
        if time.monotonic() > end:
            return
        for place, length, new in edits:
            start = int(place * len(seed))
            seed = seed[:start] + new + seed[start + length :]
        runs += 1
        try:
            fuzz_targets.quiet(target, seed)
        except BaseException:
            (corpus.parent / f"finding-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)
            raise

    while time.monotonic() < end:
        once()
    print(f"{runs} runs")


def one(name: str, seconds: int) -> None:
    """A target in this process; it ends with its time or with a finding."""
    import fuzz_targets

    corpus = FOLDER / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in fuzz_targets.seeds(name):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    found = importlib.util.find_spec("atheris") is not None
    (under_atheris if found else under_hypothesis)(name, seconds, corpus)


def again(path: str, name: str) -> None:
    import fuzz_targets

    fuzz_targets.quiet(fuzz_targets.TARGETS[name], Path(path).read_bytes())


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--again"]:
        again(*arguments[1:3])
        return 0
    if arguments[:1] == ["--one"]:
        try:
            one(arguments[1], int(arguments[2]))
        except Exception:
            traceback.print_exc()
            return 1
        return 0
    import fuzz_targets

    seconds = int(arguments[0]) if arguments else 600
    names = arguments[1:] or list(fuzz_targets.TARGETS)
    each, failed = max(1, seconds // len(names)), []
    tool = "Atheris" if importlib.util.find_spec("atheris") else "Hypothesis (Atheris is not installed)"
    print(f"{len(names)} targets, {each} s each, under {tool}", flush=True)
    for name in names:
        begin = time.monotonic()
        run = subprocess.run(
            [sys.executable, str(HERE), "--one", name, str(each)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        shown = [
            line for line in run.stdout.splitlines() if "executed_units" in line or line.endswith(" runs")
        ]
        print(f"{name}: {time.monotonic() - begin:.0f} s, {' '.join(shown) or 'no count'}", flush=True)
        if run.returncode:
            failed.append(name)
            print("\n".join(run.stdout.splitlines()[-40:]))
            print(f"{name}: a finding, in {FOLDER / name}", flush=True)
    print(f"findings in: {', '.join(failed)}" if failed else "no finding")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
