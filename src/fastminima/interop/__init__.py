"""Other libraries' networks and optimisers.

Modules, lowest first:

- `training`: a torch optimiser at work on a network: its steps counted, the risk followed.
- `escape_plot`: the picture of an escape benchmark.
- `escape_runs`: what an escape benchmark found, run by run and as a table.
- `optimisers`: `escape_benchmark`: do optimisers leave certified bad minima, and where do they end?
"""
