"""Data files as the checker reads them."""

from __future__ import annotations

import csv
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certificates_by_hand import all_cases, theorem1
from certificates_changed import run, saved
from pace import at_most

CASES = all_cases()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])
def test_npy_files_of_every_kind_of_number(kind, order, tmp_path, capsys):
    rng = np.random.default_rng(3)
    table = (
        rng.integers(0, 2, (7, 3)).astype(kind) if kind[0] != "f" else rng.normal(size=(7, 3)).astype(kind)
    )
    made = theorem1([[float(v) for v in line] for line in table.tolist()], False, (1, 0))
    np.save(tmp_path / "data.npy", np.asarray(table, order=order))
    assert run(capsys, saved(made, tmp_path), tmp_path / "data.npy")[0] == 0


def test_npy_files_that_cannot_be_read(tmp_path, capsys):
    proof, table = saved(CASES["floats"], tmp_path), np.array(CASES["floats"].rows)

    def refused(name: str) -> str:
        status, out = run(capsys, proof, tmp_path / name)
        assert status == 2
        assert out.startswith("cannot read the data: ")
        return out

    np.save(tmp_path / "flat.npy", table.ravel())
    assert "expected rows and columns, or a list of records, got the shape (18,)" in refused("flat.npy")
    np.save(tmp_path / "short.npy", table)
    content = (tmp_path / "short.npy").read_bytes()
    for end in (-8, -3):
        (tmp_path / "short.npy").write_bytes(content[:end])
        assert "the file is cut short" in refused("short.npy")
    (tmp_path / "short.npy").write_bytes(b"")
    assert "the file is empty" in refused("short.npy")
    assert "No such file" in refused("none.npy")
    np.save(tmp_path / "complex.npy", table + 0j)
    assert "expected a column of numbers, got '<c16'" in refused("complex.npy")
    (tmp_path / "data.txt").write_text("a,b,y\n1,2,3\n")
    assert "expected a file .npy, .csv or .tsv" in refused("data.txt")


@pytest.mark.parametrize("kind", [">f8", "<f2", ">f2", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_of_another_byte_order_or_half_as_long(kind, order, tmp_path, capsys):
    table = np.asarray(CASES["floats"].rows, dtype=kind, order=order)
    np.save(tmp_path / "data.npy", table)
    with open(tmp_path / "data.npy", "ab") as stream:
        stream.write(b"and more")
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.npy")[0] == 0


def test_records_in_npy_files(tmp_path, capsys):
    """Fields of any kind may lie between those that are asked for."""
    made = CASES["floats"]
    kinds = [("word", "U3"), ("b", ">f4"), ("when", "M8[s]"), ("a", "<f8"), ("y", "<f2")]
    table = np.zeros(len(made.rows), dtype=np.dtype(kinds, align=True))
    for name, column in zip("aby", zip(*made.rows, strict=True), strict=True):
        table[name] = column
    np.save(tmp_path / "data.npy", table)
    proof = saved(made, tmp_path)
    assert run(capsys, proof, tmp_path / "data.npy", "--features", "a,b")[0] == 0
    assert run(capsys, proof, tmp_path / "data.npy", "--features", "3,1", "--target", "y")[0] == 0
    status, out = run(capsys, proof, tmp_path / "data.npy", "--features", "word,b")
    assert status == 2
    assert "expected a column of numbers, got '<U3'" in out


def test_the_second_version_of_npy_headers(tmp_path, capsys):
    table = np.array(CASES["floats"].rows)
    with open(tmp_path / "data.npy", "wb") as stream:
        np.lib.format.write_array(stream, table, version=(2, 0))
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.npy")[0] == 0


def write_csv(path: Path, names: list[str], rows: list[list[Any]], delimiter: str = ",") -> None:
    with open(path, "w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([names, *rows])


def test_columns_are_chosen_by_name_and_number(tmp_path, capsys):
    made = CASES["weights"]
    proof = saved(made, tmp_path)
    rows = [["word", y, f" {w} ", b, a] for a, b, y, w in made.rows]
    rows.insert(2, ["word", "9", "0", "1e99", "2"])  # of weight 0: no row of the data
    write_csv(tmp_path / "data.tsv", ["note", "y", "w", " b ", "a"], rows, "\t")
    chosen = ["--features", "a,b", "--target", "y", "--sample-weight", "w"]
    assert run(capsys, proof, tmp_path / "data.tsv", *chosen)[0] == 0
    numbers = ["--features=-1,3", "--target", "-4", "--sample-weight", "2"]
    assert run(capsys, proof, tmp_path / "data.tsv", *numbers)[0] == 0
    assert run(capsys, proof, tmp_path / "data.tsv", "--features", "b,a", *chosen[2:])[0] == 1
    status, out = run(capsys, proof, tmp_path / "data.tsv", *chosen[:-1], "weight")
    assert (status, out) == (2, "cannot read the data: there is no column 'weight'\n")
    _, out = run(capsys, proof, tmp_path / "data.tsv", *chosen[:4])
    assert "it is about (targets, weights) = (1, True), the data have (1, False)" in out
    status, out = run(capsys, proof, tmp_path / "data.tsv", "--features", "note,b", *chosen[2:])
    assert (status, out) == (2, "cannot read the data: no number: 'word'\n")


def test_the_last_column_is_the_target_and_the_others_the_inputs(tmp_path, capsys):
    proof = saved(CASES["floats"], tmp_path)
    write_csv(tmp_path / "data.csv", ["a", "b", "y"], CASES["floats"].rows)
    assert run(capsys, proof, tmp_path / "data.csv")[0] == 0
    several = saved(CASES["wide saddle"], tmp_path)
    write_csv(tmp_path / "data.csv", ["a", "p", "q", "r"], CASES["wide saddle"].rows)
    assert run(capsys, several, tmp_path / "data.csv", "--target", "p,q,r")[0] == 0
    assert run(capsys, several, tmp_path / "data.csv")[0] == 1


def test_decimals_are_read_as_written_and_binary_ones_as_float64(tmp_path, capsys):
    text = [["0.1", "0.3"], ["0.2", "1e-1"], ["0.3", ".7"], ["+4E2", "-1."]]
    decimal = theorem1(
        [[F("0.1"), F("0.3")], [F("0.2"), F("0.1")], [F("0.3"), F("0.7")], [F(400), F(-1)]], False, (1, 0)
    )
    binary = theorem1([[float(v) for v in line] for line in text], False, (1, 0))
    write_csv(tmp_path / "data.csv", ["x", "y"], text)
    assert not run(capsys, saved(binary, tmp_path), tmp_path / "data.csv")[0]
    # decimals are no rationals that a file could hold, as for the library
    for meaning, status in (("decimal", 0), ("rational", 1), ("binary", 1)):
        decimal.words["meaning"] = meaning
        assert run(capsys, saved(decimal, tmp_path), tmp_path / "data.csv")[0] == status
    # the word in another place does not count, and another spelling of it does
    path = saved(decimal, tmp_path)
    assert decimal.words["meaning"] == "binary"
    path.write_text(path.read_text().replace('"meaning": "binary"', '"mean\\u0069ng":\n"decimal"'))
    assert run(capsys, path, tmp_path / "data.csv")[0] == 0


@pytest.mark.parametrize(
    "cell", ["1e999999999", "1e-99999", "nan", "inf", "1_0", "1/3", "0x1", "", "true", "1 2", "٣", "e5", "."]
)
def test_cells_that_are_no_numbers(cell, tmp_path, capsys):
    made = CASES["rationals"].copy()
    made.words["meaning"] = "decimal"
    write_csv(tmp_path / "data.csv", ["a", "b", "y"], [[cell, "1", "2"]])
    with at_most(500):
        status, out = run(capsys, saved(made, tmp_path), tmp_path / "data.csv")
    assert status == 2
    far = "1e999999999", "1e-99999"
    assert (f"{cell!r} lies too far from 1" if cell in far else f"no number: {cell!r}") in out


def test_integers_beyond_float64_stay_integers(tmp_path, capsys):
    rows = [[2**60 + 1, 1], [2**60 + 3, 2], [5, 4]]
    made = theorem1([[F(v) for v in line] for line in rows], False, (1, 0))
    assert made.words["data"]["numbers"] == "rational"
    assert made.words["meaning"] == "rational"
    write_csv(tmp_path / "data.csv", ["x", "y"], rows)
    assert run(capsys, saved(made, tmp_path), tmp_path / "data.csv")[0] == 0
    made.words["meaning"] = "binary"
    assert (
        "numbers that are binary are not rational"
        in run(capsys, saved(made, tmp_path), tmp_path / "data.csv")[1]
    )


def test_headers_of_npy_files_may_be_long(tmp_path, capsys):
    """Up to 65,535 bytes in the first version: no signed number holds the length."""
    np.save(tmp_path / "data.npy", np.array(CASES["floats"].rows))
    content = (tmp_path / "data.npy").read_bytes()
    size = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + size].rstrip(b"\n").ljust(39_999) + b"\n"
    (tmp_path / "data.npy").write_bytes(
        content[:8] + (40_000).to_bytes(2, "little") + header + content[10 + size :]
    )
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.npy")[0] == 0


def test_names_and_cells_in_quotation_marks(tmp_path, capsys):
    text = 'a, "b\n", y\n' + "".join(f'{a}, "{b}", {y}\n\n' for a, b, y in CASES["floats"].rows)
    (tmp_path / "data.csv").write_text(text)
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.csv", "--features", "a,b")[0] == 0
