"""Exact arithmetic over the rationals for data that are dyadic (float64) or given as integers.

Modules, each with one job, lowest first. They import NumPy, the standard library, `fastminima.errors` and the kernels;
python-flint is used where installed, for speed only:

- `roundoff`: u, gamma_n and the factor for a bound's own rounding: what every bound of a float64 sum is made of.
- `dyadic`: float64 <-> integers on a power-of-two grid, correctly rounded results.
- `shown`: numbers as text that claim no more than is proved.
- `affine`: exact columns of a dataset and exact values of affine forms on its rows.
- `dd`: error-free transformations and double-double evaluation of affine forms with a proved bound.
- `sums`: exact prefix sums.
- `nullspace`, `matrix`, `inertia`: null spaces, products and signs of eigenvalues of rational matrices.
- `tables`: columns of a dataset as one rational matrix.
- `fixed_point`: logarithms and exponentials of many numbers at once, in integers.
- `entropy`: entropies and cross entropies of rational numbers, enclosed.
- `digits`: sums of products of 24-bit digits of columns, by a kernel.
- `gram`: exact Gram matrices, streamed.
- `masked_products`: exact sums of products of inputs over the samples that masks let through, by a kernel and BLAS.
- `masked_gram`: the exact Gram matrix of a network's own design: inputs masked by the sides its units give them.
- `modular`: ranks modulo a prime, and square systems solved by p-adic lifting.
- `solve`: exact rank, pivots and solution of the normal equations.
- `groups`: equal inputs, their residual sums, the pure error.
- `splits`: the set J.
- `wide`: least squares with more columns than rows.
- `fit`: the exact least-squares fit, and the two above for it.
- `signs`: exact signs of preactivations.
- `pieces`: a network as exact affine functions, one per sign pattern.
- `margin`: the certified radius, rounded down.
- `digest`: digests of data as exact numbers.
- `stream`: all of these numbers in one pass over the data.
- `risk`: exact risks of networks in memory.
"""
