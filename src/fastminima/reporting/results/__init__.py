"""Results as people and other programs take them.

Modules, lowest first:

- `summary`: a table with a title, units and words below it: as text, HTML and LaTeX.
- `units`: what stands beside numbers: columns and targets by name, the unit of the risk, the mean squared error.
- `constructions`: tables of theorems 1, 2 and 4, and of linear fits.
- `surroundings`: tables of what lies around a network: samples, decisions, walks, searches.
- `runs`: tables with one row for each of many: scans, benchmarks, certificates.
- `summaries`: the table of any result.
- `plain`: any result as plain data.
- `kinds`: what a file of a result may hold.
- `words`: what results say in plain words, the proved and the sampled kept apart.
- `pictures`: pictures of results as inline SVG.
- `page`: results as one page of HTML that needs nothing else.
- `files`: results in files: JSON and npz in one, no pickle.
"""
