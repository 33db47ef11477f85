"""`construct --prove`, `prove` and `check` as their users start them; the checker's file run on its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.proof import check as checker


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def alone(folder, *arguments):
    """check.py copied away and run by itself: no path to the library, no site packages."""
    copy = Path(shutil.copy(checker.__file__, folder / "check.py"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", copy, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def houses(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 40, (60, 4)) / 10
    table[:, 2] = rng.integers(0, 5, 60)  # weights must be float64 numbers, and rows of weight 0 go
    table[:, 3] = table[:, 0] - table[:, 1] + rng.integers(0, 9, 60)
    path = tmp_path / "houses.csv"
    path.write_text(
        "size,age,weight,price\n" + "".join(",".join(map(str, row)) + "\n" for row in table.tolist())
    )
    np.save(tmp_path / "houses.npy", table)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(table))
    return path


def test_construct_says_proved_only_when_the_checker_accepts(capsys, tmp_path, houses):
    out = tmp_path / "results"
    status, shown, _ = run(capsys, "construct", houses, "--target", "price", "--out", out, "--prove")
    assert status == 0
    assert "proved: the checker accepts proof.json" in shown
    assert (out / "summary.json").exists()
    assert json.loads((out / "summary.json").read_text())["proof"]["checked"] is True
    proof = out / "proof.json"
    assert run(capsys, "check", proof, houses, "--target", "price")[0] == 0
    for data, target in ((houses, "price"), (tmp_path / "houses.npy", "-1"), (tmp_path / "fortran.npy", "3")):
        status, shown = alone(tmp_path, proof, data, "--target", target)
        assert status == 0, shown
        assert "holds: lower risk" in shown
        assert shown.endswith("accepted: every claim holds\n")


def test_prove_needs_a_place_to_write(capsys, houses):
    status, _, err = run(capsys, "construct", houses, "--target", "price", "--prove")
    assert status == 2
    assert "--out DIR" in err


def test_without_prove_nothing_is_called_proved(capsys, houses):
    assert "proved" not in run(capsys, "construct", houses, "--target", "price")[1]


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
def test_prove_and_check_a_file_with_weights(capsys, tmp_path, houses, meaning):
    proof = tmp_path / "proof.json"
    columns = ("--target", "price", "--sample-weight", "weight")
    status, shown, _ = run(capsys, "prove", houses, *columns, "--meaning", meaning, "--out", proof, "--json")
    assert status == 0
    summary = json.loads(shown)
    assert summary["checked"] is True
    assert summary["meaning"] == meaning
    claims = {claim["claim"]: claim for claim in summary["claims"]}
    assert claims["lower risk"]["drop"] > 0.0
    assert summary["claims"] == fm.Certificate.load(proof).to_dict()["claims"]
    status, shown, _ = run(capsys, "check", proof, houses, *columns, "--json")
    assert status == 0
    assert json.loads(shown)["accepted"] is True
    status, shown = alone(tmp_path, proof, houses, *columns)
    assert status == 0, shown
    # one digit of the file
    houses.write_text(houses.read_text().replace("1", "2", 1))
    status, shown, _ = run(capsys, "check", proof, houses, *columns)
    assert status == 1
    assert shown.startswith("rejected: the data: these are not the data of the certificate")
    assert alone(tmp_path, proof, houses, *columns)[0] == 1


def test_networks_of_ones_own(capsys, tmp_path, houses):
    data = fm.read(houses, target="price", features=["size", "age"])
    low = fm.spurious_minimum(data, fm.leaky_relu(0.1), width=3).sample(1, rng=0)[0]
    better = fm.better_point(fm.spurious_minimum(data, fm.leaky_relu(0.1)), "kink")
    low.network.save(tmp_path / "low.npz")
    better.network.save(tmp_path / "better.npz")
    proof = tmp_path / "proof.json"
    options = ("--target", "price", "--features", "size,age")
    networks = ("--minimum", tmp_path / "low.npz", "--better", tmp_path / "better.npz")
    assert run(capsys, "prove", houses, *options, *networks, "--out", proof)[0] == 0
    assert run(capsys, "check", proof, houses, *options)[0] == 0
    assert alone(tmp_path, proof, houses, *options)[0] == 0
    status, _, err = run(
        capsys, "prove", houses, *options, "--better", tmp_path / "low.npz", "--out", tmp_path / "no.json"
    )
    assert status == 1
    assert "ProofError" in err
    assert not (tmp_path / "no.json").exists()


def test_theorem_2_from_the_shell(capsys, tmp_path):
    proof = tmp_path / "gelu.json"
    status, shown, _ = run(capsys, "prove", "--counterexample", "gelu", "--out", proof)
    assert status == 0
    assert "proved" in shown
    assert run(capsys, "check", proof, tmp_path / "gelu.csv", "--target", "y")[0] == 0
    assert alone(tmp_path, proof, tmp_path / "gelu.csv")[0] == 0
    assert run(capsys, "prove", "data.csv", "--counterexample", "gelu", "--out", proof)[0] == 2


def test_theorem_4_from_the_shell(capsys, tmp_path):
    point = fm.critical_point(widths=[3, 2, 2], rng=1)
    np.savez(tmp_path / "W.npz", **{f"W{k + 1}": W for k, W in enumerate(point.weights)})
    table = tmp_path / "table.npy"
    np.save(table, np.hstack([point.loss.X, point.loss.Y]))
    proof = tmp_path / "proof.json"
    targets = "--target=-2,-1"
    assert run(capsys, "prove", table, "--weights", tmp_path / "W.npz", targets, "--out", proof)[0] == 0
    assert run(capsys, "check", proof, table, targets)[0] == 0
    assert alone(tmp_path, proof, table, targets)[0] == 0
    assert run(capsys, "check", proof, table, "--target=-1,-2")[0] == 1
    for target, status in (
        ("-2, -1,", 0),
        ("-1,-2", 1),
        ("-2,2", 1),
        ("-2,3", 2),
        ("-1,-1", 2),
        (",", 2),
        ("-2,9", 2),
    ):
        assert run(capsys, "check", proof, table, f"--target={target}")[0] == status
        assert alone(tmp_path, proof, table, f"--target={target}")[0] == status
    # an input cannot be a target too
    features = "--features=0,1,-1"
    assert run(capsys, "check", proof, table, targets, features)[0] == 2
    assert alone(tmp_path, proof, table, targets, features)[0] == 2


def test_what_cannot_be_read(capsys, tmp_path, houses):
    (tmp_path / "broken.json").write_text('{"format": "fastminima certificate"')
    status, _, err = run(capsys, "check", tmp_path / "broken.json", houses, "--target", "price")
    assert status == 2
    assert "CertificateError" in err
    assert alone(tmp_path, "none.json", houses)[0] == 2
    assert run(capsys, "prove", "--out", tmp_path / "p.json")[0] == 2
    assert run(capsys, "prove", houses, "--target", "price", "--out", "")[0] == 2


def test_large_data_are_not_called_proved_before_they_are_checked(capsys, tmp_path, houses, monkeypatch):
    from fastminima.proof import prove as proving

    monkeypatch.setattr(proving, "_CHECK_NUMBERS", 10)
    monkeypatch.chdir(tmp_path)
    proof = "proof.json"
    shown = run(capsys, "prove", houses, "--target", "price", "--out", proof)[1]
    assert "is not checked yet" in shown
    assert "proved" not in shown
    assert run(capsys, "check", proof, houses, "--target", "price")[0] == 0


def test_theorem_4_of_decimals_and_of_a_constant_input(capsys, tmp_path):
    """y = 3x + 1 of the decimals in the file; of their float64 numbers it is not so."""
    table, proof, weights = tmp_path / "table.csv", tmp_path / "proof.json", tmp_path / "W.npz"
    table.write_text("x,y,w\n0.1,1.3,1\n0.7,3.1,2\n0.2,1.6,1\n")
    np.savez(weights, W1=np.array([[3.0, 1.0]]), W2=np.array([[1.0]]))
    columns = ("--features", "x", "--target", "y")
    options = ("--weights", weights, "--bias", "--out", proof)
    assert run(capsys, "prove", table, *columns, *options, "--meaning", "decimal")[0] == 0
    content = json.loads(proof.read_text())
    assert content["meaning"] == "decimal"
    assert content["claims"] == [{"claim": "global minimum"}]
    assert run(capsys, "check", proof, table, *columns)[0] == 0
    assert alone(tmp_path, proof, table, *columns)[0] == 0
    for meaning in ("binary", "rational"):
        proof.write_text(json.dumps(content | {"meaning": meaning}))
        assert run(capsys, "check", proof, table, *columns)[0] == 1
        assert alone(tmp_path, proof, table, *columns)[0] == 1
    # what has no place in theorem 4 is not passed over
    for command in (("check", proof, table), ("prove", table, *options)):
        status, _, err = run(capsys, *command, *columns, "--sample-weight", "w")
        assert status == 2
        assert "theorem 4 has no sample weights" in err
    assert alone(tmp_path, proof, table, *columns, "--sample-weight", "w")[0] == 1
    np.save(tmp_path / "table.npy", np.ones((3, 2)))
    proof.write_text(json.dumps(content))
    assert run(capsys, "check", proof, tmp_path / "table.npy", "--target", "1")[0] == 2
    assert alone(tmp_path, proof, tmp_path / "table.npy", "--target", "1")[0] == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "\ufeff" + text,
        lambda text: "",
        lambda text: text[:-20],
        lambda text: text.replace('"version":1', '"version":2'),
        lambda text: text.replace('"theorem":1', '"theorem":1,"note":"\\ud812"'),
        lambda text: text.replace('"claim":"least squares"', '"claim":"least \\udfff"'),
        lambda text: text.replace('"claims":', '"claims\\udbff":'),
    ],
)
def test_a_certificate_that_is_none_is_exit_status_2_either_way(capsys, tmp_path, houses, spoil):
    proof = tmp_path / "proof.json"
    assert run(capsys, "prove", houses, "--target", "price", "--out", proof)[0] == 0
    proof.write_text(spoil(proof.read_text()), encoding="utf-8")
    status, out, err = run(capsys, "check", proof, houses, "--target", "price")
    assert (status, out) == (2, "")
    assert "CertificateError" in err
    status, shown = alone(tmp_path, proof, houses, "--target", "price")
    assert status == 2
    assert shown.startswith("cannot read the certificate: ")
    assert "Traceback" not in shown + err


def test_data_that_cannot_be_read_are_exit_status_2_either_way(capsys, tmp_path, houses):
    proof = tmp_path / "proof.json"
    assert run(capsys, "prove", houses, "--target", "price", "--out", proof)[0] == 0
    first, rest = houses.read_text().split("\n", 1)
    for text in (
        rest,
        first + "\n",
        "",
        f"{first}\n1,2,3\n",
        f'{first}\n"1,2,3,4\n',
        f"{first},size\n{rest}",
    ):
        houses.write_text(text)
        assert run(capsys, "check", proof, houses, "--target", "price")[0] == 2
        status, shown = alone(tmp_path, proof, houses, "--target", "price")
        assert status == 2
        assert shown.startswith("cannot read the data: ")
    for target in ("cost", "size,price", "9"):
        assert run(capsys, "check", proof, houses, "--target", target)[0] == 2
        assert alone(tmp_path, proof, houses, "--target", target)[0] == 2
    assert alone(tmp_path, proof, tmp_path / "none.csv")[0] == 2


HOLES = "a;k;y\n0,5;u;1\n2;v;3\n;u;4\n5;w;2\n1;v;\n7,25;u;9\n3;v;1\n4;w;6\n"
CLEANED = ["--missing", "drop", "--categories", "onehot", "--sep", ";", "--decimal", ","]


def test_certificates_are_about_the_rows_that_are_left(tmp_path, capsys):
    import numpy as np

    from fastminima import read
    from fastminima.proof import check as alone

    path, proof = tmp_path / "holes.csv", str(tmp_path / "proof.json")
    path.write_text(HOLES)
    asked = [str(path), "--target", "y", *CLEANED]
    assert main(["prove", *asked, "--out", proof]) == 0
    assert "note: rows with missing values left out: 2" in capsys.readouterr().err
    assert main(["check", proof, *asked]) == 0
    options = {"missing": "drop", "categories": "onehot", "sep": ";", "decimal": ","}
    assert fm.check(proof, path, target="y", **options)
    # without the options, or with others, it is about other data or none
    assert (
        main(
            ["check", proof, str(path), "--target", "y", "--sep", ";", "--decimal", ",", "--missing", "drop"]
        )
        == 2
    )
    assert not fm.check(proof, path, target="y", **{**options, "categories": "reject"})
    # the checker alone takes the rows that are left, written as they are
    data = read(path, "y", **options)
    np.save(tmp_path / "rows.npy", np.column_stack([data.X, data.y]))
    assert alone.main([proof, str(tmp_path / "rows.npy")]) == 0
    with pytest.raises(fm.errors.OptionError, match="missing is not one of them here"):
        fm.check(proof, data, missing="drop")


@pytest.mark.parametrize("command", ["construct", "probe", "prove", "check", "linear", "scan"])
def test_help_says_what_happens_to_rows_and_text(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--missing", "--categories"))


def test_every_command_reads_the_same_rows(tmp_path, capsys):
    import json

    import numpy as np

    path, out = tmp_path / "holes.csv", tmp_path / "out"
    path.write_text(HOLES)
    asked = [str(path), "--target", "y", *CLEANED]
    assert main(["construct", *asked, "--out", str(out), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["m"], made["dx"]) == (6, 3)
    assert main(["probe", str(out / "minimum.npz"), *asked, "--n", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["m"] == 6
    np.savez(tmp_path / "W.npz", W1=np.zeros((2, 3)), W2=np.zeros((1, 2)))
    linear = ["linear", str(tmp_path / "W.npz"), "--data", str(path), "--targets", "y", *CLEANED, "--json"]
    assert main(linear) == 0
    assert json.loads(capsys.readouterr().out)["m"] == 6
    bare = tmp_path / "bare.csv"
    bare.write_text("1,2,4\n3,1,2\n5,5,1\n2,8,3\n9,1,1\n")
    assert main(["construct", str(bare), "--target", "-1"]) == 2
    assert "--no-header" in capsys.readouterr().err
    assert main(["construct", str(bare), "--no-header", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["m"] == 5
    assert main(["construct", str(bare), "--header", "--target", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["m"] == 4
