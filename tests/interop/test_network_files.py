"""Networks from files: every bit of good ones, a named error for forged ones, and nothing executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import (
    ActivationError,
    MissingDependencyError,
    MissingFileError,
    NetworkError,
    ReadError,
)
from fastminima.interop.safetensors import read_safetensors

W1, b1, W2, b2 = (
    np.array([[1.0, -2.0, 0.5], [3.0, 0.25, 1.0]]),
    np.array([0.5, -1.0]),
    np.array([[2.0, -3.0]]),
    np.array([4.0]),
)
STATE = {"0.weight": W1, "0.bias": b1, "2.weight": W2, "2.bias": b2}
NET = fm.OneHiddenLayer(W1, b1, W2, b2, "relu")
SHORT = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def bytes_of(array, kind):
    if kind == "BF16":
        return (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return array.astype(SHORT[kind]).tobytes()


def parts(kind="F64", state=STATE):
    """(header, data) of a file with these tensors."""
    header, data = {}, b""
    for name, array in state.items():
        raw = bytes_of(array, kind)
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    return header, data


def stored(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16"])
def test_safetensors_of_every_float_type(tmp_path, kind):
    path = tmp_path / "a.safetensors"
    header, data = parts(kind)
    path.write_bytes(stored({"__metadata__": {"format": "pt"}, **header}, data))
    # the numbers above are numbers of every one of these types
    assert fm.load_network(path, "relu") == NET
    with pytest.raises(NetworkError, match=r"a.safetensors does not say its activation"):
        fm.load_network(path)
    # a header may be padded, and may name the activation
    text = json.dumps({"__metadata__": {"activation": "LeakyReLU"}, **header}).encode() + b"   "
    path.write_bytes(stored(text, data))
    assert fm.load_network(str(path)).activation == fm.leaky_relu()
    assert fm.load_network(path, "leaky_relu", feature_names=["a", "b", "c"]).feature_names == ("a", "b", "c")
    with pytest.raises(NetworkError, match="has the activation LeakyReLU, not 'tanh'"):
        fm.load_network(path, "tanh")


HEADER, DATA = parts()


def changed(name="0.bias", **words):
    return {**HEADER, name: {**HEADER[name], **words}}


FORGED = {
    "empty": (b"", "no safetensors file"),
    "short": (b"\x02\0\0\0\0\0\0", "no safetensors file"),
    "header beyond the file": (stored(HEADER, DATA, 10**6), "its header has 1000000 bytes, the file"),
    "header of 2^64 bytes": (stored(HEADER, DATA, 2**64 - 1), "its header has 18446744073709551615 bytes"),
    "huge header": (stored(b"{" + b" " * 2**20 + b"}", DATA), "needs no more than 1048576"),
    "no object": (stored(b"[1, 2]", DATA), "does not begin with"),
    "not UTF-8": (stored(b'{"\xff": 1}', DATA), "utf-8"),
    "cut": (stored(json.dumps(HEADER).encode()[:-4], DATA), "no safetensors file"),
    "deep": (stored(b'{"a":' * 30_000 + b"1" + b"}" * 30_000, DATA), "no safetensors file"),
    "long number": (stored(b'{"a": ' + b"1" * 10_000 + b"}", DATA), "no safetensors file"),
    "infinite": (stored(b'{"a": Infinity}', DATA), "Infinity is no JSON"),
    "twice": (
        stored(json.dumps(HEADER).encode()[:-1] + b', "0.bias": ' + json.dumps(HEADER["0.bias"]).encode() + b"}", DATA),
        "'0.bias' stands twice",
    ),
    "words twice": (stored(b'{"a": {"dtype": "F64", "dtype": "F32"}}', b""), "'dtype' stands twice"),
    "end outside": (stored(changed("2.bias", shape=[2], data_offsets=[80, 96]), DATA), "96 bytes, the file has 88"),
    "begin outside": (stored(changed("2.bias", data_offsets=[1000, 1008]), DATA), "leaves a gap before it"),
    "overlap": (stored(changed(data_offsets=[40, 56]), DATA), "overlaps another tensor"),
    "gap": (stored(changed("2.bias", data_offsets=[88, 96]), DATA + bytes(8)), "leaves a gap"),
    "rest": (stored(HEADER, DATA + b"x"), "its tensors have 88 bytes, the file has 89"),
    "cut data": (stored(HEADER, DATA[:-1]), "its tensors have 88 bytes, the file has 87"),
    "backwards": (stored(changed(data_offsets=[64, 48]), DATA), "needs 16 bytes, its offsets 64 to 48 are -16"),
    "negative": (stored(changed(data_offsets=[-8, 8]), DATA), "must be lists of whole numbers"),
    "true": (stored(changed(shape=[True, 2]), DATA), "must be lists of whole numbers"),
    "shape of floats": (stored(changed(shape=[2.0]), DATA), "must be lists of whole numbers"),
    "shape that overflows": (stored(changed(shape=[2**62, 4]), DATA), "needs .* bytes"),
    "many dimensions": (stored(changed(shape=[1] * 40 + [2]), DATA), "41 dimensions"),
    "three offsets": (stored(changed(data_offsets=[48, 64, 80]), DATA), "3 offsets"),
    "integers": (stored(changed(dtype="I64"), DATA), "'0.bias' is stored as 'I64'; expected F64, F32, F16, BF16"),
    "unknown type": (stored(changed(dtype=["F64"]), DATA), "is stored as"),
    "word too many": (stored(changed(x=1), DATA), "must have dtype, shape and data_offsets"),
    "no words": (stored({"a": 3}, b""), "must have dtype, shape and data_offsets"),
    "metadata of numbers": (stored({"__metadata__": {"a": 3}, **HEADER}, DATA), "__metadata__ must be an object of texts"),
    "metadata of texts": (stored({"__metadata__": "a", **HEADER}, DATA), "__metadata__ must be an object of texts"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_safetensors_are_refused(tmp_path, name):
    content, message = FORGED[name]
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        fm.load_network(path, "relu")


def test_every_changed_byte_of_a_header_is_refused_or_read_as_it_stands(tmp_path):
    content = stored(HEADER, DATA)
    path = tmp_path / "a.safetensors"
    rng = np.random.default_rng(0)
    for _ in range(300):
        at, value = int(rng.integers(8 + len(json.dumps(HEADER)))), int(rng.integers(256))
        path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        try:
            tensors = read_safetensors(path).tensors
        except ReadError:
            continue
        assert sum(array.nbytes for array in tensors.values()) == len(DATA)


def test_a_tensor_that_holds_nothing(tmp_path):
    state = {"a": np.ones((0, 3)), "b": np.ones(2)}
    (tmp_path / "a.safetensors").write_bytes(stored(*parts(state=state)))
    read = read_safetensors(tmp_path / "a.safetensors").tensors
    assert {name: array.shape for name, array in read.items()} == {"a": (0, 3), "b": (2,)}


# --- npz -------------------------------------------------------------------------------------------------


def test_npz_of_ours_and_of_a_state_dict(tmp_path):
    path = tmp_path / "network"
    NET.with_names(["a", "b", "c"]).save(path)
    assert fm.load_network(path) == NET
    assert fm.load_network(path, "ReLU").feature_names == ("a", "b", "c")
    assert fm.load_network(path, feature_names=["x", "y", "z"]).feature_names == ("x", "y", "z")
    with pytest.raises(NetworkError, match="has the activation ReLU, not 'tanh'"):
        fm.load_network(path, "tanh")
    np.savez(tmp_path / "state.npz", **STATE)
    assert fm.load_network(tmp_path / "state.npz", "relu") == NET
    with pytest.raises(NetworkError, match=r"state.npz does not say its activation"):
        fm.load_network(tmp_path / "state.npz")
    np.savez(tmp_path / "state.npz", **STATE, more=np.ones(3))
    with pytest.raises(NetworkError, match=r"state.npz holds 'more' beside Linear"):
        fm.load_network(tmp_path / "state.npz", "relu")
    np.save(tmp_path / "one.npy", W1)
    with pytest.raises(ReadError, match="holds one array, not a network"):
        fm.load_network(tmp_path / "one.npy")


@pytest.mark.parametrize("name", ["a", "a.npz", "a.safetensors"])
def test_files_that_are_not_there(tmp_path, name):
    with pytest.raises(MissingFileError, match=f"there is no file .*{name}"):
        fm.load_network(tmp_path / name)
    with pytest.raises(ReadError, match="path must be a file name, got 3"):
        fm.load_network(3)


def test_reading_needs_no_torch(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(stored(*parts()))
    code = f"""
import sys; sys.modules["torch"] = None
import fastminima as fm
print(fm.load_network({str(tmp_path / "a.safetensors")!r}, "relu").b2)
try:
    fm.load_network({str(tmp_path / "a.pt")!r}, "relu")
except fm.errors.MissingDependencyError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "4.0",
        "reading .pt files needs torch, which is not installed: pip install 'fastminima[torch]'",
    ]


# --- torch -----------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def model(torch):
    return NET.to_torch()


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.bin", "A.PT"])
def test_state_dicts_that_torch_saved(tmp_path, torch, model, name):
    torch.save(model.state_dict(), tmp_path / name)
    assert fm.load_network(tmp_path / name, "relu") == NET
    assert fm.load_network(tmp_path / name, torch.nn.ReLU(), feature_names=["a", "b", "c"]).feature_names == (
        "a",
        "b",
        "c",
    )
    torch.save(model.state_dict(), tmp_path / name, _use_new_zipfile_serialization=False)
    assert fm.load_network(tmp_path / name, "relu") == NET
    with pytest.raises(NetworkError, match="does not say its activation"):
        fm.load_network(tmp_path / name)
    with pytest.raises(ActivationError, match="no activation is called 'rleu'"):
        fm.load_network(tmp_path / name, "rleu")


def test_checkpoints_that_hold_a_state_dict(tmp_path, torch, model):
    path = tmp_path / "last.ckpt"
    optimiser = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "params": [0, 1]}]}
    for key in ("state_dict", "model_state_dict", "model"):
        torch.save({"epoch": 3, key: model.state_dict(), "optimizer": optimiser}, path)
        assert fm.load_network(path, "relu") == fm.from_torch(model)
    torch.save({"net": model.state_dict()}, path)
    with pytest.raises(NetworkError, match=r"last.ckpt is a checkpoint with 'net'; .*checkpoint\['net'\]"):
        fm.load_network(path, "relu")
    torch.save([1, 2], path)
    with pytest.raises(ReadError, match="holds a list, not a state dict"):
        fm.load_network(path, "relu")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path, torch, model, monkeypatch):
    path, made = tmp_path / "a.pt", str(tmp_path / "made")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    zipped = io.BytesIO()
    torch.save({"0.weight": Evil(made)}, zipped)
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
    old = io.BytesIO()
    torch.save({"0.weight": Evil(made)}, old, _use_new_zipfile_serialization=False)
    whole = io.BytesIO()
    torch.save(model, whole)
    assert any(name.endswith("data.pkl") for name in names)
    for content in (zipped.getvalue(), old.getvalue(), pickle.dumps(Evil(made)), whole.getvalue()):
        path.write_bytes(content)
        with pytest.raises(
            ReadError, match=r"nothing in it is executed\. .*torch.save\(model.state_dict\(\), path\)"
        ):
            fm.load_network(path, "relu")
        assert not os.path.exists(made)
        path.with_suffix(".npz").write_bytes(content)
        with pytest.raises((ReadError, NetworkError)):
            fm.load_network(path.with_suffix(".npz"), "relu")
        assert not os.path.exists(made)
    # what would have happened
    torch.load(io.BytesIO(zipped.getvalue()), weights_only=False)
    assert os.path.exists(made)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + bytes(40), bytes(1000)])
def test_damaged_files_of_torch(tmp_path, torch, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ReadError, match=r"a.pt is "):
        fm.load_network(tmp_path / "a.pt", "relu")


def test_a_cut_file_of_torch(tmp_path, torch, model):
    torch.save(model.state_dict(), tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    for share in (0.3, 0.7, 0.99):
        (tmp_path / "a.pt").write_bytes(content[: int(share * len(content))])
        with pytest.raises(ReadError, match=r"a.pt is "):
            fm.load_network(tmp_path / "a.pt", "relu")


def test_old_versions_of_torch_execute_crafted_files_and_are_refused(tmp_path, monkeypatch):
    fake = types.ModuleType("torch")
    fake.__version__ = "2.5.1+cu121"
    monkeypatch.setitem(sys.modules, "torch", fake)
    (tmp_path / "a.pt").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match=r"needs torch 2.6 or newer.*2\.5\.1.*safetensors"):
        fm.load_network(tmp_path / "a.pt", "relu")


def test_the_command_probe_reads_files_of_weights(tmp_path, capsys):
    from fastminima.cli.main import main

    table, path = tmp_path / "table.csv", tmp_path / "a.safetensors"
    table.write_text("a,b,c,y\n" + "".join(f"{i},{i * i % 5},{i % 3},{i % 4}\n" for i in range(8)))
    path.write_bytes(stored(*parts()))
    arguments = ["probe", str(path), str(table), "--target", "y", "--n", "20", "--json"]
    assert main([*arguments, "--activation", "relu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["d1"], found["dx"]) == (2, 3)
    assert main(arguments) != 0
    assert "does not say its activation" in capsys.readouterr().err
