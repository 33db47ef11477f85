"""A file that changes while it is scanned is an error that says so, whatever kind it is and whenever it changes."""

from __future__ import annotations

import gzip
import importlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import ReadError

large = importlib.import_module("fastminima.scanning.large")
small = importlib.import_module("fastminima.scanning.small")

ROWS = 400


@pytest.fixture
def tiny(monkeypatch):
    """A few hundred rows go the way of a large dataset, in tasks of 64 rows."""
    monkeypatch.setattr(large, "TASK_ROWS", 64)
    monkeypatch.setattr(small, "_SMALL", -1)


def numbers(seed):
    A = np.random.default_rng(seed).integers(-99, 100, (ROWS, 3)).astype(np.float64)
    A[:, 2] += 0.5
    return A


def write_npy(path, A):
    np.save(path, A)


def write_columns(path, A):
    np.save(path, np.asfortranarray(A))


def write_stored(path, A):
    np.savez(path, X=A[:, :2], y=A[:, 2])


def write_compressed(path, A):
    np.savez_compressed(path, X=A[:, :2], y=A[:, 2])


def write_csv(path, A):
    # of one width, so that the size tells nothing
    path.write_text("\n".join(["a,b,c", *(",".join(f"{v:+08.2f}" for v in row) for row in A.tolist()), ""]))


def write_gzip(path, A):
    write_csv(path, A)
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def write_parquet(path, A):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame(A, columns=["a", "b", "c"]).to_parquet(path, row_group_size=100)


def write_folder(path, A):
    path.mkdir(exist_ok=True)
    for part in range(2):
        write_parquet(path / f"part-{part}.parquet", A[part::2])


def write_hdf5(path, A):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("A", data=A, chunks=(50, 3))


def write_zarr(path, A):
    zarr = pytest.importorskip("zarr")
    array = zarr.open_array(str(path), mode="a", shape=A.shape, chunks=(50, 3), dtype="f8")
    array[:] = A


KINDS = {
    "table.npy": write_npy,
    "columns.npy": write_columns,
    "stored.npz": write_stored,
    "compressed.npz": write_compressed,
    "text.csv": write_csv,
    "text.csv.gz": write_gzip,
    "table.parquet": write_parquet,
    "folder": write_folder,
    "table.h5": write_hdf5,
    "store.zarr": write_zarr,
}


def target_of(name):
    return None if name.endswith(("npz", "npy", "h5", "zarr")) else "c"


def touching(at, change):
    """A progress that changes the file once, when a stage is told of."""
    done = []

    def tell(name, stage, rows, total):
        if stage == at and not done:
            done.append(stage)
            change()

    return tell, done


@pytest.mark.parametrize("stage", ["reading", "moments", "residuals", "splits"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_written_to_is_an_error_whatever_pass_reads_it(tiny, tmp_path, name, stage):
    path, write = tmp_path / name, KINDS[name]
    write(path, numbers(1))
    (want,) = fm.scan(path, target_of(name), block_rows=32)
    assert str(want.status) == "spurious"
    tell, done = touching(stage, lambda: write(path, numbers(2)))
    (result,) = fm.scan(path, target_of(name), block_rows=32, progress=tell)
    if stage == "reading" and not name.startswith("text"):
        assert not done  # only text is parsed
        return
    assert done
    assert result.status == "error"
    assert isinstance(result.error, ReadError)
    assert f"{path} has changed while it was scanned" in str(result.error)
    assert str(result.error).count("has changed while") == 1
    # at rest it is scanned
    (again,) = fm.scan(path, target_of(name), block_rows=32)
    assert again.error is None


@pytest.mark.parametrize("how", ["same size and time", "replaced", "linked", "removed", "longer", "one byte"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_change_shows_whatever_hides_it(tiny, tmp_path, how, workers):
    path = tmp_path / "table.npy"
    write_npy(path, numbers(1))
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "table.npy"
    write_npy(other, numbers(2))
    state = os.stat(path)
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))

    def change():
        if how == "same size and time":
            path.write_bytes(other.read_bytes())
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        elif how == "replaced":
            os.replace(other, path)
        elif how == "linked":
            path.unlink()
            path.symlink_to(other)
        elif how == "removed":
            path.unlink()
        elif how == "longer":
            path.write_bytes(path.read_bytes() + bytes(8))
        else:
            with open(path, "r+b") as stream:
                stream.seek(-1, os.SEEK_END)
                stream.write(b"\x40")

    tell, done = touching("residuals", change)
    (result,) = fm.scan(path, block_rows=32, progress=tell, workers=workers)
    assert done
    assert f"{path} has changed while it was scanned" in str(result.error)


def test_one_chunk_or_one_file_of_many_is_enough(tiny, tmp_path):
    write_zarr(tmp_path / "store.zarr", numbers(1))
    write_folder(tmp_path / "folder", numbers(1))
    chunk = max((tmp_path / "store.zarr").rglob("*0"), key=lambda path: path.is_file())
    for path, part in (("store.zarr", chunk), ("folder", tmp_path / "folder" / "part-1.parquet")):
        before = part.read_bytes()

        def change(part=part, before=before):
            # the same bytes, but who knows what was there meanwhile
            part.write_bytes(before)

        tell, done = touching("moments", change)
        (result,) = fm.scan(tmp_path / path, target_of(path), block_rows=32, progress=tell)
        assert done
        assert "has changed while it was scanned" in str(result.error)


@pytest.mark.parametrize("name", KINDS)
def test_a_small_dataset_that_changes_is_an_error_too(tmp_path, monkeypatch, name):
    path, write = tmp_path / name, KINDS[name]
    write(path, numbers(1))
    first = small.spurious_minimum

    def slow(data, *rest, **options):
        write(path, numbers(2))
        return first(data, *rest, **options)

    monkeypatch.setattr(small, "spurious_minimum", slow)
    with ThreadPoolExecutor(1) as pool:
        for options in ({}, {"executor": pool}):
            write(path, numbers(1))
            (result,) = fm.scan(path, target_of(name), **options)
            assert result.route == "memory"
            assert f"{path} has changed while it was scanned" in str(result.error)


def test_a_small_dataset_that_changed_before_its_turn_is_an_error(tmp_path):
    """Its header was read when the scan began."""
    paths = [tmp_path / f"{k}.npy" for k in range(300)]
    for k, path in enumerate(paths):
        np.save(path, numbers(k)[:5])

    def change(result):
        if result.name == str(paths[0]):
            np.save(paths[-1], numbers(7)[:5])

    report = fm.scan(paths, on_result=change)
    assert [result.name for result in report.failed] == [str(paths[-1])]
    assert "has changed while it was scanned" in str(report[-1].error)


def test_an_error_in_a_changed_file_says_both(tiny, tmp_path):
    path = tmp_path / "table.npy"
    write_npy(path, numbers(1))

    def cut():
        with open(path, "r+b") as stream:
            stream.truncate(3000)

    tell, _ = touching("moments", cut)
    (result,) = fm.scan(path, block_rows=32, progress=tell)
    assert "has changed while it was scanned" in str(result.error)
    assert "is cut short" in str(result.error)


def test_a_file_that_is_only_read_has_not_changed(tiny, tmp_path):
    path = tmp_path / "table.npy"
    write_npy(path, numbers(1))
    tell, done = touching("residuals", lambda: path.read_bytes())
    (result,) = fm.scan(path, block_rows=32, progress=tell)
    assert done
    assert result.error is None


def test_passes_that_read_other_numbers_contradict_each_other(tiny, tmp_path, monkeypatch):
    """A map that was dirty before the scan began writes without a trace in the times of the file; the sums show it."""
    path = tmp_path / "table.npy"
    write_npy(path, numbers(1))
    # nothing of the file tells
    monkeypatch.setattr(
        importlib.import_module("fastminima.data.sources.table_source"), "stamp_of", lambda paths: ""
    )
    mapped = np.lib.format.open_memmap(path, mode="r+")
    before = mapped.copy()
    # rows that one pass has read before the change and the next one after it
    for stage, change in (
        ("moments", slice(0, 1)),
        ("moments", slice(0, 64)),
        ("moments", slice(None)),
        ("residuals", slice(399, 400)),
        ("residuals", slice(None)),
    ):

        def write(change=change):
            mapped[change] *= 1.0 + 2.0**-20

        tell, done = touching(stage, write)
        (result,) = fm.scan(path, block_rows=32, progress=tell)
        assert done
        assert result.error is not None
        assert "two passes have read other numbers; the data have changed" in str(result.error)
        mapped[:] = before
    (result,) = fm.scan(path, block_rows=32)
    assert result.error is None


def test_the_exact_gram_matrix_is_of_the_same_numbers_too(tiny, tmp_path, monkeypatch):
    path = tmp_path / "table.npy"
    A = numbers(1)
    A[:, 1] = 2.0 * A[:, 0]
    write_npy(path, A)
    monkeypatch.setattr(
        importlib.import_module("fastminima.data.sources.table_source"), "stamp_of", lambda paths: ""
    )
    (result,) = fm.scan(path, block_rows=32)
    assert result.fit.rank == 2
    assert result.error is None
    for stage in ("moments", "exact Gram"):
        tell, done = touching(stage, lambda: write_npy(path, A[::-1] * 3.0 + 1.0))
        (result,) = fm.scan(path, block_rows=32, progress=tell)
        assert done
        assert "two passes have read other numbers" in str(result.error)
        write_npy(path, A)


def test_what_an_hdf5_file_leads_to_is_watched_as_well(tiny, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "home.h5", "w") as file:
        file.create_dataset("A", data=numbers(1))
    layout = h5py.VirtualLayout((ROWS, 3), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "home.h5"), "A", (ROWS, 3))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("A", layout)
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["A"] = h5py.ExternalLink("home.h5", "A")
    numbers(1).tofile(tmp_path / "raw.bin")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset(
            "A", (ROWS, 3), "f8", external=[(str(tmp_path / "raw.bin"), 0, h5py.h5f.UNLIMITED)]
        )
    for name, home in (("virtual", "home.h5"), ("linked", "home.h5"), ("outside", "raw.bin")):
        (result,) = fm.scan(f"{tmp_path / name}.h5::A", block_rows=32)
        assert result.error is None
        tell, done = touching("residuals", lambda home=home: os.utime(tmp_path / home))
        (result,) = fm.scan(f"{tmp_path / name}.h5::A", block_rows=32, progress=tell)
        assert done
        assert "has changed while it was scanned" in str(result.error)
