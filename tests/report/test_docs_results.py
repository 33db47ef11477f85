"""The code of docs/results.md runs and prints what stands there."""

from __future__ import annotations

import re

from places import ROOT

PAGE = ROOT / "docs" / "results.md"


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_the_blocks_of_the_page_run_and_print_what_stands_there(capsys):
    names = {}
    first, *others = blocks("python")
    exec(compile(first, str(PAGE), "exec"), names)
    (shown, *_) = blocks("text")
    # what rounding costs may be another number on another machine
    printed, told = (re.sub(r"(at most +)\S+( +)", r"\1", text) for text in (capsys.readouterr().out, shown))
    assert printed == told
    for block in others:
        exec(compile(block, str(PAGE), "exec"), names)
        printed = capsys.readouterr().out.splitlines()
        assert printed == [told.strip() for told in re.findall(r"^print.*?# (.*)$", block, re.M)]
    told = names["told"]
    (claimed,) = re.findall(r"# (\(1, .*\))$", "".join(others), re.M)
    assert repr((told["version"], told["class"], told["n_samples"], told["status"])) == claimed
