"""Files that several modules of tests read."""

from __future__ import annotations

import pytest

from scan_tables import write_tables


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with the same table in every form that is stored."""
    folder = tmp_path_factory.mktemp("files")
    write_tables(folder)
    return folder
