"""Results as pictures, tables and text.

Modules, lowest first:

- `example_table`: Theorem 2 for every named activation, as a Markdown table.
- `figures`: what the pictures share: two colours, a figure without a screen, and a file that is written whole.
- `probe_plot`: a probe as a picture: where the sampled excess risks lie, and how they grow with the radius.
- `segment`: the risk along the straight segment from the minimum to the better point, as numbers and as a picture.
- `slice_plot`: the risk on the plane through a bad local minimum and a global one, as numbers and as a picture.
- `summary`: one result as plain data: for JSON files, for `--json`, and for the printed table.
"""
