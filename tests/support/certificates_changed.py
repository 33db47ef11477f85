"""Certificates changed in one place, and the checker asked about them: as a function, and as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path
from typing import Any

from certificates_by_hand import Case, text_of
from fastminima.proof import check as checker

PATH = Path(checker.__file__)


Edit = Callable[[Case], Any]


def verdict(made: Case, **arguments: Any) -> Any:
    return checker.check(made.text, made.read, **arguments)


def set_in(path: str, value: Any) -> Edit:
    """Set words at a path such as "claims/0/risk"; a callable changes what stands there."""

    def edit(made: Case) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        place: Any = made.words
        for key in parents:
            place = place[key]
        place[last] = value(place[last]) if callable(value) else value

    return edit


def drop(path: str) -> Edit:
    def edit(made: Case) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        place: Any = made.words
        for key in parents:
            place = place[key]
        del place[last]

    return edit


def row(i: int, j: int, value: Any) -> Edit:
    return lambda made: made.rows[i].__setitem__(j, value)


def plus(amount: Any) -> Callable[[str], str]:
    return lambda text: text_of(F(text) + F(amount))


def times(factor: Any) -> Callable[[str], str]:
    return lambda text: text_of(F(text) * F(factor))


def nested(name: str, size: int) -> Any:
    formula: Any = "t"
    while len(json.dumps([name, formula])) <= size:
        formula = [name, formula]
    return formula


def saved(made: Case, folder: Path) -> Path:
    path = folder / "proof.json"
    path.write_text(made.text, encoding="utf-8")
    return path


def run(capsys, *arguments: Any) -> tuple[int, str]:
    status = checker.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def alone(*arguments: Any, cwd: Path | None = None) -> tuple[int, str, str]:
    """The file on its own: no site packages, no environment, no user directory."""
    command = [sys.executable, "-I", "-S", str(PATH), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    return done.returncode, done.stdout, done.stderr
