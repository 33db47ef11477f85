"""What `make fuzz` runs on bytes: readers, the checker, and theorem 1 held against rational arithmetic.

A target takes bytes and returns; an exception that is no FastMinimaError, or an AssertionError, is a finding.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import certificates_by_hand
import fastminima as fm
import oracle
from fastminima.errors import FastMinimaError
from fastminima.proof import check as checker
from fastminima.scanning.checkpoint import Checkpoint
from fastminima.scanning.record_files import Chain, key_of
from fastminima.scanning.stored_objects import CODEC

# names, tokens and options of a scan
SCAN = (["a"], ["t"], {"x": 1})
# rows and columns of the tables of `theorem1`, small enough for Fractions
ROWS, COLUMNS = 8, 2
NUMBERS = [0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 0.1, 1e8, 1e-8, 7.0, 1 / 3, 3.0, -0.25, 1e8 + 1, -2.0, 1.5]


def _file(suffix: str, data: bytes, read: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(data)
        with contextlib.suppress(FastMinimaError):
            read(path)


def csv(data: bytes) -> None:
    """The first byte says how the text is read."""
    way = data[0] if data else 0
    meaning = "decimal" if way & 1 else "binary"
    target = [-1, 0, None, "y"][way >> 1 & 3]
    _file([".csv", ".tsv"][way >> 3 & 1], data[1:], lambda path: fm.read(path, target, meaning=meaning))


def npy(data: bytes) -> None:
    _file(".npy", data, fm.read)


def npz(data: bytes) -> None:
    _file(".npz", data, fm.read)


def network(data: bytes) -> None:
    _file(".npz", data, fm.OneHiddenLayer.load)


def safetensors(data: bytes) -> None:
    _file(".safetensors", data, lambda path: fm.load_network(path, "relu"))


def certificate(data: bytes) -> None:
    """A certificate as JSON and the rows it is about, as the checker and as the library read them."""
    text, _, rows = data.partition(b"\n--rows--\n")
    _file(".json", text, fm.Certificate.load)
    try:
        words = json.loads(rows)
        table = [[float(v) for v in row] for row in words]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return
    verdict = checker.check(text.decode(errors="replace"), lambda: table)
    assert isinstance(verdict.accepted, bool)
    assert isinstance(verdict.reason, str)


def checkpoint(data: bytes) -> None:
    """A folder of a scan: its header, log or state is the bytes, as they are or behind a digest that is right."""
    way, body = (data[0] if data else 0), data[1:]
    name = ("scan", "results", "state")[way % 3]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "scan"
        first = Checkpoint(folder, *SCAN)
        key = first._key
        first.close()
        if way & 4:
            chain = Chain(key_of("scan") if name == "scan" else key_of(key, name))
            body = chain.record(body)
            if name == "scan":
                body = (folder / "scan").read_bytes().partition(b"\n")[0] + b"\n" + body
        (folder / name).write_bytes(body)
        with contextlib.suppress(FastMinimaError):
            Checkpoint(folder, *SCAN).close()


def theorem1(data: bytes) -> None:
    """A table drawn by the bytes: claims of `spurious_minimum` and of its better point against rational arithmetic."""
    if len(data) < 4:
        return
    m, n, width = data[0] % ROWS + 1, data[1] % (COLUMNS + 1), data[2] % 3 + 1
    weighted = data[3] & 1
    values = [NUMBERS[byte % 16] * 2.0 ** (byte // 64 * 8) for byte in data[4:]]
    need = m * (n + 1 + weighted)
    if len(values) < need:
        return
    table = np.array(values[:need]).reshape(m, -1)
    X, y = table[:, :n], table[:, n]
    weight = np.abs(table[:, n + 1]) + 0.5 if weighted else None
    try:
        found = fm.spurious_minimum(fm.Dataset(X, y, sample_weight=weight), width=width)
        better = fm.better_point(found)
    except FastMinimaError:
        return
    _, fitted, residual, least, _ = oracle.least_squares(X, y, weight)
    risk = oracle.network_risk(found.network, X, y, weight)
    assert risk - least <= Fraction(found.excess), "the excess is larger than its bound"
    assert all(t > 0 for row in oracle.preactivations(found.network, X) for t in row), (
        "no unit is active throughout"
    )
    if least == 0 or not any(oracle.group_sums(X, residual, weight).values()):
        assert found.status != "spurious", "no function of x is better than the linear fit"
        assert better.network is None
    elif width > 1:
        assert found.status != "global", "a better network exists"
    if better.network is not None:
        low = oracle.network_risk(better.network, X, y, weight)
        assert low <= least - Fraction(better.drop_certified) < least, "the drop is smaller than certified"
    assert least > 0 or not oracle.split_set(fitted, residual, weight)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (csv, npy, npz, network, safetensors, checkpoint, certificate, theorem1)
}


def quiet(target: Callable[[bytes], None], data: bytes) -> None:
    """Run a target; warnings are no findings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        target(data)


def _saved(save: Callable[[Any], None]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def seeds(name: str) -> list[bytes]:
    """The first corpus of a target."""
    X, y = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0]]), np.array([0.0, 1.0, 0.5])
    table = np.c_[X, y]
    if name == "csv":
        texts = [b"a,b,y\n1,2,3\n4,5,6.5\n", b'"a","b"\n"1","-2e3"\n\n', "\ufeffx,y\n0.1,nan\n,3\n".encode()]
        texts += [
            b"a\tb\ty\n1\t2\t3\n1e400\t2\t0x1\n",
            b"x,x,y\n1,2\n3,4,5,6\n",
            b"y\nTrue\nFalse\n",
            b"1,2\n3,4\n",
        ]
        return [bytes([way]) + text for way in (0, 1, 6, 9) for text in texts]
    if name == "npy":
        kinds = (table, table.astype(">f4"), np.asfortranarray(table), table.astype(np.int64), table > 0)
        kinds += (np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("y", "f8")]), np.empty((0, 2)), y)
        return [_saved(lambda stream, a=a: np.save(stream, a)) for a in kinds]
    if name == "npz":
        return [
            _saved(lambda stream: np.savez(stream, X=X, y=y)),
            _saved(lambda stream: np.savez_compressed(stream, X=X, Y=table, sample_weight=y + 1)),
            _saved(lambda stream: np.savez(stream, table)),
        ]
    if name == "network":
        found = []
        for activation in (fm.relu, fm.activation("tanh")):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "net.npz"
                fm.OneHiddenLayer(X[:2], y[:2], y[1:], 0.5, activation).save(path)
                found.append(path.read_bytes())
        return found
    if name == "safetensors":
        entries = {
            "a.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
            "b.weight": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]},
            "b.bias": {"dtype": "F64", "shape": [1], "data_offsets": [12, 20]},
        }
        texts = [
            json.dumps(words).encode() for words in (entries, {"__metadata__": {"format": "pt"}, **entries})
        ]
        return [len(text).to_bytes(8, "little") + text + bytes(range(40, 60)) for text in texts]
    if name == "certificate":
        cases = certificates_by_hand.all_cases().values()
        return [
            case.text.encode()
            + b"\n--rows--\n"
            + json.dumps([list(map(float, r)) for r in case.rows]).encode()
            for case in cases
        ]
    if name == "checkpoint":
        state = {
            "index": 0,
            "stamp": "s",
            "counts": {"rows": 3},
            "done": [(1.5, X)],
            "following": 1,
            "partial": Fraction(1, 3),
        }
        header = {"names": ["a"], "tokens": ["t"], "options": {"x": 1}, "key": "0" * 32, "forms": CODEC.forms}
        result = (0).to_bytes(8, "little") + CODEC.pack({"x": y})
        return [
            bytes([way]) + body
            for way, body in (
                (4, CODEC.pack(header)),
                (5, result),
                (6, CODEC.pack(state)),
                (0, b"{"),
                (1, result),
                (2, b""),
            )
        ]
    rng = np.random.default_rng(1)
    return [bytes(rng.integers(0, 256, 40).tolist()) for _ in range(12)]
