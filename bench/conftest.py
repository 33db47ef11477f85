"""`python -m pytest bench --benchmark-only`: every script of this folder at its quick sizes, in less than ten minutes.

A script is collected because of its name. One without tests of its own is run whole, once: `main` with the arguments in its
`QUICK`, or `--quick`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

# rounds and seconds for one benchmark, unless the command line says otherwise: some take a second a round
ROUNDS, SECONDS = 3, 0.2


def pytest_configure(config: pytest.Config) -> None:
    said = " ".join(config.invocation_params.args)
    for option, value in (("benchmark_min_rounds", ROUNDS), ("benchmark_max_time", SECONDS)):
        if hasattr(config.option, option) and "--" + option.replace("_", "-") not in said:
            setattr(config.option, option, type(getattr(config.option, option))(value))


class Script(pytest.Module):
    def collect(self) -> Iterable[Any]:
        found = list(super().collect())
        if found or not hasattr(self.obj, "main"):
            return found
        module = self.obj

        def main(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
            monkeypatch.setattr(sys, "argv", [self.path.name, *getattr(module, "QUICK", ("--quick",))])
            benchmark.pedantic(module.main, rounds=1)

        return [pytest.Function.from_parent(self, name="main", callobj=main)]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if module_path.name.startswith("bench_"):
        script: pytest.Module = Script.from_parent(parent, path=module_path)
        return script
    return None
