"""Exact arithmetic over the rationals for data that are dyadic (float64) or given as integers.

Modules, each with one job, lowest first. They import NumPy, the standard library and `fastminima.errors`;
python-flint is used where installed, for speed only:

- `dyadic`: float64 <-> integers on a power-of-two grid, correctly rounded results.
- `dd`: error-free transformations and double-double evaluation of affine forms with a proved bound.
- `affine`: exact columns of a dataset and exact values of affine forms on its rows.
- `sums`: exact prefix sums.
- `nullspace`, `matrix`, `inertia`: null spaces, products and signs of eigenvalues of rational matrices.
- `gram`: exact Gram matrices through BLAS, streamed.
- `solve`: exact rank, pivots and solution of the normal equations.
- `groups`: equal inputs, their residual sums, the pure error.
- `splits`: the set J.
- `fit`: the exact least-squares fit, and the two above for it.
- `signs`: exact signs of preactivations.
- `risk`: exact risks of networks and affine functions.
- `margin`: the certified radius, rounded down.
"""
