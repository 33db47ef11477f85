"""BLAS held to one thread, and given its threads back."""

from __future__ import annotations

import pytest

from fastminima.system import threads
from fastminima.system.threads import single_threaded_blas


@pytest.fixture
def libraries():
    """The BLAS libraries of this process, with two threads each where they can have them."""
    found = threads._libraries()
    before = [library.num_threads for library in found]
    for library in found:
        library.set_num_threads(2)
    yield found
    for library, count in zip(found, before, strict=True):
        library.set_num_threads(count)


def counts(libraries):
    return [library.num_threads for library in libraries]


def test_blocks_limit_and_restore_also_within_each_other(libraries):
    outside = counts(libraries)
    assert libraries
    with single_threaded_blas():
        assert counts(libraries) == [1] * len(libraries)
        with single_threaded_blas():
            assert counts(libraries) == [1] * len(libraries)
        assert counts(libraries) == [1] * len(libraries)
    assert counts(libraries) == outside


def test_threads_come_back_after_an_error(libraries):
    outside = counts(libraries)
    with pytest.raises(RuntimeError, match="inside"), single_threaded_blas():
        raise RuntimeError("inside")
    assert counts(libraries) == outside


def test_blocks_that_overlap_in_time_leave_the_threads_as_they_were(libraries):
    outside = counts(libraries)
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert counts(libraries) == outside
