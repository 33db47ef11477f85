"""Results as pictures, tables and text.

Modules, lowest first:

- `plain_names`: names under which results are told as plain data: in `to_dict`, JSON of commands, tables of scans.
- `example_table`: Theorem 2 for every named activation, as a Markdown table.
- `figures`: what the pictures share: three colours, a figure without a screen, and a file that is written whole.
- `displays`: what a function that draws hands back: the axes, the figure and the numbers.
- `probe_plot`: a probe as a picture: where the sampled excess risks lie, and how they grow with the radius.
- `segment`: the risk along the straight segment between two networks, as numbers and as a picture.
- `deep_segment`: the segment from a deep minimum to a better network of the same widths as a picture.
- `functions_plot`: for one feature, the data, the linear fit and the functions of the networks.
- `scan_plot`: a scan as a picture: certified radii and drops against the size of the datasets, and the statuses.
- `splits_plot`: the proof of theorem 1 as a picture: residuals, their partial sums, the set J and the split.
- `linear_plot`: a saddle of a deep linear network as a picture: the rise and the fall against the radius.
- `descent_plot`: the walk of `polish` as numbers and as a picture: how the risk falls, and on which faces.
- `bracket_plot`: brackets as pictures: the staircase of a table's widths, and how the search came there.
- `planes`: planes in the space of all parameters: through a network along random directions, its gradient, other
  networks, a path.
- `plane_risks`: the risk on a plane through a network, and the cells of the plane: numbers without a picture.
- `risk_slices`: the risk on a plane, as numbers: what `risk_slice` returns.
- `pair_slice`: Theorem 2's plane: through its bad local minimum and its global one.
- `slice_picture`: the picture of a slice: steps of colour, boundaries of cells, the certified ball, paths.
- `slice_plot`: the risk on a plane through any network, as numbers and as a picture.
- `atlas_numbers`: the rows of an atlas as numbers: read, its columns as arrays, and medians by number of inputs.
- `atlas_plots`: the four pictures of an atlas: gaps, brackets against the width, their length, and what is recovered.
- `atlas_page`: the page of an atlas: one HTML file with its pictures and every row.
- `decide_summary`: what `decide` and `polish` found as plain data and as tables.
- `smooth_summary`: the same where balls decide: smooth activations, and weight decay.
- `bracket_summary`: what `bracket` found as plain data and as a table.
- `summary`: one result as plain data: for JSON files, for `--json`, and for the printed table.
- `deep_summary`: a deep minimum and its better point as plain data, and as the printed table.
- `results`: results as people and other programs take them: tables of all kinds of results.
"""
