"""Rows in blocks, as often as they are asked for, from data larger than memory.

Modules, lowest first:

- `block_source`: what a scan reads: rows of one dataset, handed out in blocks, from anywhere and as often as asked.
- `reader`: what the readers of a scan have in common: the protocol, the options, numbers on their way to float64.
- `values`: which kinds of values become float64, and how many were rounded on the way.
- `arrays`: arrays whose rows are read at offsets: NumPy files, stored members of archives, HDF5, Zarr, memory.
- `block_cutter`: blocks of X, y, w filled from a reader's columns and screened for what is missing, infinite or
  negative.
- `parsed`: a reader over the temporary matrix that stands for something readable only once, or only from its start.
- `spill`: temporary files for what can be read only once, or only from its start.
- `archives`: named arrays in one place: which of them are read, and npz archives.
- `chunks`: arrays that lie in chunks: whole chunks are read, each once a pass, and rows of them handed out.
- `attributes`: what the attributes of an array say its numbers stand for: fill values, and scaled integers.
- `hdf5`: HDF5: datasets, and groups with X, y and perhaps weights.
- `zarr_arrays`: Zarr: arrays, and groups with X, y and perhaps weights.
- `table_source`: the source every reader gets: which columns, categories, missing values, weights, and blocks cut by
  rows.
- `tables_in_memory`: columns in memory: arrays, frames, and what Arrow hands out.
- `iterables`: iterables and functions that hand out blocks (X, y) or (X, y, sample_weight).
- `dask_collections`: Dask frames and arrays: partitions are computed one at a time and kept in a temporary file.
- `held`: what a caller holds in memory: arrays, frames, X and y side by side, a `Dataset`.
- `parquet`: parquet: one file, or the files of a folder as one table; row groups are decoded as a pass reaches them.
- `text`: CSV and TSV files (also gzipped): parsed once, from the first row to the last, into a temporary matrix.
- `open_sources`: what a scan is given, as a list of datasets: paths, globs, folders, arrays, frames, iterables, or
  lists of them.
"""
