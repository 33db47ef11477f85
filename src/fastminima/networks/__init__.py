"""What is trained: networks, and their risk for many parameters at once.

Modules, lowest first:

- `linear_layers`: the weights of a deep linear network: coerced once, and what is wrong with them said by layer.
- `torch_layers`: linear layers of PyTorch with given numbers.
- `activations`: activations: one formula in four arithmetics, floats, balls, rationals and torch.
- `stacked_networks`: K networks of one shape in four stacked arrays, and what they are evaluated on.
- `batched_smooth`: risks of many networks with a smooth activation that is not compiled: NumPy's functions and BLAS, on
  blocks that stay in the cache.
- `batched_risk`: risks of many networks of one shape on one dataset, and the outputs of one network.
- `named_inputs`: networks whose inputs may have names, held against the columns of what they are evaluated on.
- `one_hidden_layer`: networks with one hidden layer: frozen parameters, outputs, risk, files.
- `rational_network`: networks whose parameters are rational numbers: what exact decisions speak of.
- `named_tensors`: a network from tensors by name, as a state dict or a file of weights has them.
- `torch_modules`: networks of PyTorch as ours: what a module's layers say, compared with what it computes.
- `deep_torch`: the layers and activations of a torch module of any depth, compared with what it computes.
- `deep_network`: networks of any depth with any number of outputs: frozen layers, outputs, loss, files, PyTorch.
- `given`: what functions of a network and data are given: networks, what carries one; data, or what carries them.
- `next_steps`: what a result leads on to: the library's next step from where it stands.
"""
