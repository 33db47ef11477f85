"""The options of a scan in one object, checked when it is made."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os

import pytest

import fastminima as fm
from fastminima.scanning.options import ScanOptions
from places import ROOT

PLAIN = dict(
    activation=fm.relu,
    width=2,
    loss="squared",
    alpha="auto",
    gain=8.0,
    label_smoothing=0.0,
    workers=1,
    executor=None,
    block_rows=None,
    memory="2GB",
    checkpoint=None,
    progress=lambda *told: None,
    on_result=None,
)


def test_options_are_those_of_scan_and_frozen():
    options = ScanOptions(**PLAIN)
    read = {
        "source",
        "target",
        "features",
        "sample_weight",
        "missing",
        "categories",
        "header",
        "sep",
        "decimal",
    }
    asked = set(inspect.signature(fm.scan).parameters)
    assert asked - read == {field.name for field in dataclasses.fields(options)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.width = 3
    assert options.memory_bytes == 2 * 10**9
    assert options.settings.width == 2
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert dataclasses.replace(options, workers=-1).n_workers == usable


@pytest.mark.parametrize(
    ("option", "error", "said"),
    [
        ({"activation": 3}, fm.errors.NetworkError, "got 3"),
        ({"width": 0}, fm.errors.NetworkError, "got 0"),
        ({"workers": 0}, fm.errors.OptionError, "workers .* got 0"),
        ({"memory": "2G"}, fm.errors.OptionError, "memory .* '2G'"),
        ({"block_rows": 0}, fm.errors.OptionError, "block_rows .* got 0"),
        ({"executor": 3}, fm.errors.OptionError, "executor must have the submit .* got int"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_are_not_usable_are_named_when_the_object_is_made(option, error, said):
    with pytest.raises(error, match=said):
        ScanOptions(**PLAIN | option)


def test_no_function_behind_scan_takes_more_than_seven_arguments():
    for room in ("fit", "scanning"):
        for path in (ROOT / "src" / "fastminima" / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and node.name not in ("scan", "atlas"):
                    every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                    taken = [a.arg for a in every if a.arg not in ("self", "cls")]
                    assert len(taken) <= 7, f"{path.name}: {node.name} takes {taken}"
