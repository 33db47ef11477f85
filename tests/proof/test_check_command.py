"""The checker as a program, with the standard library alone: what it prints, and its exit status."""

from __future__ import annotations

import ast
import runpy
import sys

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
    assert checker.main(command) == 1
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
        " column, or A,B,...; default: the last\n",
        " A,B,...; default: all others\n",
        " column of weights\n",
    ):
        assert text in words


def test_a_file_may_have_the_longest_size_and_no_more(tmp_path, capsys):
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows))
    proof = saved(CASES["xor"], tmp_path)
    text = proof.read_text(encoding="utf-8")
    for extra, status in ((0, 0), (1, 1)):
        proof.write_text(text + " " * (checker.LONGEST_FILE + extra - len(text)), encoding="utf-8")
        assert checker.main([str(proof), str(tmp_path / "data.npy")]) == status
    longer = f"rejected: the certificate: the certificate is longer than {checker.LONGEST_FILE} characters\n"
    assert capsys.readouterr().out.endswith(longer)


def test_certificates_that_cannot_be_read(tmp_path, capsys):
    status, out = run(capsys, tmp_path / "none.json", tmp_path / "data.npy")
    assert status == 2
    assert "cannot read the certificate" in out
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    assert run(capsys, tmp_path / "bytes.json", tmp_path / "data.npy")[0] == 2
    (tmp_path / "cut.json").write_text(CASES["floats"].text[:100])
    status, out = run(capsys, tmp_path / "cut.json", tmp_path / "data.npy")
    assert status == 1
    assert "rejected: the certificate: JSONDecodeError" in out


def test_the_file_is_a_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path / "none.json"), "data.npy"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PATH), run_name="__main__")
    assert ended.value.code == 2
