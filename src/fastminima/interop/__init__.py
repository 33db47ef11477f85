"""Other libraries: networks of PyTorch to and fro, and files of weights, of which nothing is executed.

Modules, lowest first:

- `torch`: networks from PyTorch and to it.
- `safetensors`: the safetensors format: a header that is held to every rule, and numbers.
- `torch_files`: files of `torch.save`, read without executing anything.
- `network_files`: a network from a file: npz, safetensors, or what torch saved.
"""
