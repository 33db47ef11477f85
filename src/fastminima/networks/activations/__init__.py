"""Activations: one formula in four arithmetics, floats, balls, rationals and torch.

Modules, lowest first:

- `curves`: values and derivatives of the known activations in float64: `curve(order, t)` is h, h' or h'' for order 0,
  1, 2.
- `formula`: formulas: an activation written as data, for every arithmetic that can add, multiply and take
  exponentials.
- `activation_protocol`: what theorems ask of an activation: its value, two derivatives, a name and, where there is
  one, its formula.
- `formula_shape`: what the way a formula is built says: is it a polynomial, where do its pieces meet, which way does
  it bend?
- `in_rationals`: h, h' and h'' at rational points: balls prove inequalities, never equality; where two pieces must
  meet exactly, rationals decide.
- `flint_functions`: what formulas ask of an arithmetic and python-flint's numbers have as methods.
- `in_balls`: ball arithmetic for activations: enclosures of h, h' and h'' over intervals, and what is proved from
  them.
- `in_series`: h, h' and h'' over balls as truncated power series: what it takes to differentiate a risk in balls.
- `piecewise_linear`: the activations of theorem 1: h(t) = max(s_plus t, 0) + min(s_minus t, 0).
- `smooth`: smooth activations: a function with two derivatives, and, where it can be certified, its formula.
- `compiled`: activations as the curves of the compiled kernels: which one, and the numbers that shape it.
- `known`: what is known of each activation that has a name: what it is called and takes, its float64 curve, its
  formula.
- `from_torch`: PyTorch's activation modules as names and parameters of ours, each compared with the module itself.
- `named`: the activations known by name: accurate in float64, with two derivatives, and as formulas for proofs.
- `affine_segment`: where an activation is affine: the pieces of its formula, exactly.
- `lines`: activations made of lines, for networks evaluated exactly or with bounds.
- `in_torch`: activations as PyTorch modules: PyTorch's own where it has one, else the formula on tensors.
"""
