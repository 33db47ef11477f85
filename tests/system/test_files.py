"""Npz files are opened in one way: no pickles, no open files left behind, every failure named."""

from __future__ import annotations

import gc
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import MissingFileError, ReadError
from fastminima.networks.linear_layers import read_chain
from fastminima.system.files import open_npz


def test_arrays_are_read_as_they_are_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3.0), bad=np.array([{}], dtype=object))
    with open_npz(tmp_path / "a.npz", "is damaged", "") as stored:
        assert sorted(stored.files) == ["bad", "one"]
        assert stored["one"].tolist() == [0.0, 1.0, 2.0]
    with (
        pytest.raises(ReadError, match=r"a\.npz is damaged: Object arrays cannot be loaded"),
        open_npz(tmp_path / "a.npz", "is damaged", "") as stored,
    ):
        _ = stored["bad"]


OPENERS = {
    "network": fm.OneHiddenLayer.load,
    "weights": read_chain,
    "table": fm.read,
    "bare": lambda path: open_npz(path, "is damaged", "").__enter__(),
}


@pytest.mark.parametrize("opener", OPENERS)
def test_damaged_archives_are_named_and_closed(opener, tmp_path):
    path = tmp_path / "cut.npz"
    np.savez(path, X=np.ones((50, 3)), y=np.ones(50))
    path.write_bytes(path.read_bytes()[:-40])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(ReadError, match=re.escape(str(path))):
            OPENERS[opener](path)
        gc.collect()
    with pytest.raises(MissingFileError, match="there is no file"):
        OPENERS[opener](tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("opener", "message"),
    [
        ("network", "holds one array, not a network; it must be written by save"),
        ("weights", "holds one array; weights are an npz file with arrays W1, W2"),
        ("bare", "holds one array$"),
    ],
)
def test_one_array_is_no_archive(opener, message, tmp_path):
    with open(tmp_path / "one.npz", "wb") as stream:
        np.save(stream, np.ones(3))
    with pytest.raises(ReadError, match=message):
        OPENERS[opener](tmp_path / "one.npz")


def test_the_command_line_opens_them_the_same_way(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", W1=np.eye(2), W2=np.eye(2))
    with open(tmp_path / "one.npz", "wb") as stream:
        np.save(stream, np.ones(3))
    np.savez(tmp_path / "objects.npz", X=np.array([[{}]], dtype=object), Y=np.ones((1, 2)))
    for name, message in (
        ("one.npz", "holds one array; expected arrays X and Y"),
        ("objects.npz", "is damaged or holds Python objects"),
    ):
        assert main(["linear", str(tmp_path / "w.npz"), "--data", str(tmp_path / name)]) != 0
        assert message in capsys.readouterr().err


def test_nobody_else_opens_archives():
    package = Path(fm.__file__).parent
    found = [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if re.search(r"np\.load\((?!\s*path, mmap_mode)", path.read_text())
    ]
    assert found == ["system/files.py"]
