"""Other libraries: networks of PyTorch to and fro, files of weights, of which nothing is executed, and optimisers.

Modules, lowest first:

- `torch`: networks from PyTorch and to it.
- `safetensors`: the safetensors format: a header that is held to every rule, and numbers.
- `torch_files`: files of `torch.save`, read without executing anything.
- `network_files`: a network from a file: npz, safetensors, or what torch saved.
- `training`: a torch optimiser at work on a network: its steps counted, the risk followed.
- `deep_training`: the same for deep networks and their losses.
- `escape_plot`: the picture of an escape benchmark.
- `escape_runs`: what an escape benchmark found, run by run and as a table.
- `escape_bench`: runs of optimisers from certified minima, and what is proved of where they end.
- `deep_bench`: the same from deep minima.
- `optimisers`: `escape_benchmark`: do optimisers leave certified bad minima, and where do they end?
"""
