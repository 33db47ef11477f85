"""A real notebook: bars are shown while the work goes on, and leave nothing in the file; results show their tables."""

from __future__ import annotations

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

BEGIN = """
import sys
{first}
import fastminima as fm
data = fm.load_demo("xor")
low = fm.spurious_minimum(data)
"""
CELLS = (
    "low.probe(radius=[0.1, 1.0], n=20_000, progress=True)",
    "fm.fit_network(data, width=2, n_starts=2, progress=True)",
    "fm.bracket(data, width=[1, 2], n_starts=2, progress=True)",
    "fm.scan([data, low.data], progress=True)",
    "low",
)


@pytest.mark.parametrize(
    ("drawer", "first"),
    [
        ("tqdm", ""),
        ("ipywidgets", "sys.modules['rich'] = None"),
        ("rich", "sys.modules['tqdm'] = None"),
        ("nothing", "sys.modules['tqdm'] = sys.modules['rich'] = None"),
    ],
)
def test_cells_end_with_their_results_alone(drawer, first):
    if drawer != "nothing":
        pytest.importorskip(drawer)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in (BEGIN.format(first=first), *CELLS)]
    )
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell in notebook.cells[1:]:
        *others, last = cell.outputs
        assert last.output_type == "execute_result", cell.source
        assert "<table" in last.data["text/html"], cell.source
        streams = "".join(one.text for one in others if one.output_type == "stream")
        # without widgets tqdm writes lines, and wipes the last one
        assert not streams.rpartition("\r")[2].strip()
        for one in others:
            if one.output_type != "stream":
                assert (one.output_type, one.data) == ("display_data", {"text/html": "", "text/plain": ""})
    drawn = any(len(cell.outputs) > 1 for cell in notebook.cells[1:])
    assert drawn == (drawer != "nothing")
