"""A Dask cluster as an executor: one that is running, or a local one for the time of a scan."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from fastminima.errors import ClusterError
from fastminima.system.options import count_workers
from fastminima.system.packages import import_optional

__all__ = ["dask_executor"]

_CONNECT_SECONDS = 15
# a task is pure: it may run again wherever a worker died
_RETRIES = 3


@contextmanager
def dask_executor(address: str, workers: int = -1) -> Iterator[Executor]:
    """Executor on a Dask cluster.

    Parameters
    ----------
    address : str
        Of a running scheduler ("tcp://host:8786"), or "local" for worker processes on this machine, which end with
        the block.
    workers : int, default -1
        How many a local cluster has; -1 for all usable cores.

    Raises
    ------
    ClusterError
        Nobody answers at the address.
    MissingDependencyError
        distributed is not installed.

    Notes
    -----
    Workers read their own rows: files, and the temporary folder for what has to be unpacked (text, compressed members,
    iterables), must have the same paths for all of them.
    """
    distributed = import_optional("distributed", extra="distributed", purpose="a scan on a cluster")
    if address == "local":
        count = count_workers(workers)
        with (
            distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client.get_executor(retries=_RETRIES)
        return
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address!r} within {_CONNECT_SECONDS} s ({error}); start one with 'dask "
            "scheduler', or use 'local'"
        ) from error
    with client:
        yield client.get_executor(retries=_RETRIES)
