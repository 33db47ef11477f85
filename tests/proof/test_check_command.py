"""The checker as a program, with the standard library alone: what it prints, and its exit status."""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from certificates_by_hand import all_cases
from certificates_changed import PATH, alone, run, saved, verdict
from fastminima.proof import check as checker

CASES = all_cases()


def test_it_imports_nothing_but_the_standard_library():
    tree = ast.parse(PATH.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= sys.stdlib_module_names
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("exec", "eval", "__import__")
    ]


def test_the_file_runs_on_its_own(tmp_path):
    proof = saved(CASES["floats"], tmp_path)
    np.save(tmp_path / "data.npy", np.array(CASES["floats"].rows))
    status, out, err = alone(proof, tmp_path / "data.npy", "--target", "2", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "accepted: every claim holds"
    assert out.startswith("holds: least squares ")
    np.save(tmp_path / "other.npy", np.array(CASES["floats"].rows) + 1.0)
    status, out, err = alone(proof, tmp_path / "other.npy")
    assert (status, err) == (1, "")
    assert "rejected: the data: these are not the data of the certificate" in out


def test_what_the_command_prints(tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows))
    proof = saved(CASES["xor"], tmp_path)
    command = [str(proof), str(tmp_path / "data.npy")]
    assert checker.main(command) == 0
    held = verdict(CASES["xor"]).claims
    assert len(held) > 2
    assert capsys.readouterr() == (
        "".join(f"holds: {claim}\n" for claim in held) + "accepted: every claim holds\n",
        "",
    )
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows) + 1.0)
    assert checker.main(command) == 1
    assert capsys.readouterr().out.startswith(
        "\nrejected: the data: these are not the data of the certificate"
    )
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows).ravel()[:-1])
    assert checker.main(command) == 2
    proof.unlink()
    capsys.readouterr()
    assert checker.main(command) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("cannot read the certificate: ")
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        checker.main(["--help"])
    words = capsys.readouterr().out
    for text in (
        "\nChecks a certificate of fastminima against a data file.\n",
        " .npy, or .csv or .tsv with a line of column names\n",
        " column, or A,B,... for layers and theorem 4; default: the last\n",
        " A,B,...; default: all others\n",
        " column of weights\n",
    ):
        assert text in words


def test_a_file_may_have_the_longest_size_and_no_more(tmp_path, capsys):
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows))
    proof = saved(CASES["xor"], tmp_path)
    text = proof.read_text(encoding="utf-8")
    for extra, status in ((0, 0), (1, 2)):
        proof.write_text(text + " " * (checker.LONGEST_FILE + extra - len(text)), encoding="utf-8")
        assert checker.main([str(proof), str(tmp_path / "data.npy")]) == status
    longer = (
        f"cannot read the certificate: the certificate is longer than {checker.LONGEST_FILE} characters\n"
    )
    assert capsys.readouterr().err == longer


def changed_words(**words: Any) -> bytes:
    return json.dumps(CASES["floats"].words | words).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "UnicodeDecodeError"),
        (b"", "JSONDecodeError"),
        (CASES["floats"].text[:100].encode(), "JSONDecodeError"),
        (CASES["floats"].text[:-1].encode(), "JSONDecodeError"),
        (b"\xef\xbb\xbf" + CASES["floats"].text.encode(), "JSONDecodeError"),
        (b"[]", "it is none of fastminima"),
        (b"[" * 100_000, "RecursionError"),
        (changed_words(format="another"), "it is none of fastminima"),
        (changed_words(version=3), "it is of version 3, this checks 1"),
        (changed_words(version=None), "it is of version None, this checks 1"),
        (changed_words(claims={}), "it has no list of claims"),
        (b'{"a": 1, "a": 1}', "a name occurs twice in one object"),
        (changed_words(note="\udc80"), "half of a surrogate pair"),
        (changed_words(**{"\ud83d": 1}), "half of a surrogate pair"),
    ],
)
def test_certificates_that_cannot_be_read(content, reason, tmp_path, capsys):
    """Exit status 2, by the checker's file as by the library's command, and never a traceback."""
    proof, data = tmp_path / "proof.json", tmp_path / "data.npy"
    np.save(data, np.array(CASES["floats"].rows))
    if content is not None:
        proof.write_bytes(content)
    status, out = run(capsys, proof, data)
    assert status == 2
    assert out.startswith("cannot read the certificate: ")
    assert reason in out


def test_pairs_of_surrogates_are_characters():
    text = json.dumps("\N{GRINNING FACE}")
    assert checker.parse(text) == "\N{GRINNING FACE}"
    assert text.count("\\u") == 2
    assert checker.parse(r'"\\ud83d is written \u005cud83d"') == r"\ud83d is written \ud83d"
    for half in (r'"\ud83d"', r'"\ude00\ud83d"', r'{"\uDE00": 1}', r'["a", "\uD83D x"]', '"\ud83d"'):
        with pytest.raises(checker.Reject, match="half of a surrogate pair"):
            checker.parse(half)


def test_what_the_terminal_cannot_show_is_escaped(tmp_path):
    """Column names and paths of any characters, and a terminal that knows ASCII alone."""
    proof = saved(CASES["floats"], tmp_path)
    data = tmp_path / "d\N{LATIN SMALL LETTER A WITH DIAERESIS}ta.csv"
    data.write_text("a,b,y\n1,2,3\n", encoding="utf-8")
    command = [sys.executable, str(PATH), str(proof), str(data), "--target", "\N{SNOWMAN}"]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, timeout=60)
    assert done.returncode == 2
    assert done.stderr == b"cannot read the data: there is no column '\\u2603'\n"


def test_the_file_is_a_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path / "none.json"), "data.npy"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PATH), run_name="__main__")
    assert ended.value.code == 2
