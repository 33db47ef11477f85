"""Theorem 1 on hundreds of datasets, or on one larger than memory.

Modules, lowest first:

- `dask`: a Dask cluster as an executor: one that is running, or a local one for the time of a scan.
- `dealer`: dealing tasks to anything with the interface of `concurrent.futures`, and taking the results in order.
- `budget`: how the memory a scan may take is shared out.
- `passes`: one pass over some rows of a source: what a worker does, wherever it runs.
- `ranges`: fitted values and residuals of a scan, kept in ranges of fitted values, in memory or in files; and the
  search over them.
- `streamed`: a dataset that stays where it is: `Rows`, `CentredData` and `Samples` over a source, loaded only when
  asked for.
- `table`: one row a dataset: written as Parquet, CSV or JSON lines, and shown.
- `results`: what a scan hands back: a result for every dataset, and the table of them.
- `plain_records`: objects as bytes and back, for records that lie in a folder: nothing in them is executed.
- `record_files`: files of records, each with a digest: what was torn off is told from what was damaged.
- `folder_lock`: one scan at a time in a folder: a lock that ends with its process, however that ends.
- `stored_deep`: deep minima and their better points in records.
- `stored_objects`: what a checkpoint may hold: states of passes and results, and what has to hold for each.
- `checkpoint`: where a scan stands, on disk: results of finished datasets, and the states of the one under way.
- `options`: what a scan is asked to do, in one object.
- `large`: Theorem 1 on one dataset that stays on disk: as few passes as the accuracy allows, each over blocks dealt
  to workers.
- `small`: Theorem 1 on datasets that fit in memory many times over: the functions of the library, one dataset a task.
- `pools`: who works: threads and processes of our own, or the executor of the caller.
- `scan`: `scan`: theorem 1 on one dataset larger than memory, or on hundreds, on one machine or many.
- `installed_tables`: tables that installed packages carry inside: their names, and each as a dataset or the reason why it
  is none.
- `chart_table`: one table of an atlas: theorem 1 and the brackets of its widths as one flat row, with certificates.
- `atlas_log`: where an atlas stands, on disk: a log of the tables that are done.
- `atlas`: `atlas`: theorem 1 and the brackets of the least risk, over every usable table of installed packages.
"""
