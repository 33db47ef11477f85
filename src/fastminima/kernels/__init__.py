"""The compiled kernels: single threaded, GIL released, each with a stub and a NumPy twin (`reference_*`).

_forward
    sums_f64, sums_f32: sum_i w_i (f_k(x_i) - y_i)^2 for K networks f_k(x) = b2 + W2 h(W1 x + b1) of one shape,
    W1 (K, d1, dx), X (m, dx); 2 m K d1 (dx + 1) flops, the hidden layer never leaves the registers.
    outputs_f64: the outputs of one network. Called by `fastminima.batched`.
_perturb
    perturbations: the k-th random direction of a (seed, k) alone, Philox4x32-10 and Box-Muller in plain IEEE arithmetic,
    the same bits in every variant. excess_f64, excess_f32: what a block of perturbations changes, fused like
    `_forward`, D built from the perturbation and never as a difference of outputs. Called by
    `fastminima.landscape.sampling` and `.direct`.
_rows
    evaluate_rows, moments_rows: a pass over rows (x, y) where they lie: fitted values, residuals, norms and gradient sums;
    products of (1, x', y') for up to MOST_COLUMNS columns. Called by `fastminima._states`.
_screen
    base_sums: gradient sums of the base point in double-double. screened_excess: one quadratic form a perturbation
    and, one by one, only the samples its own norms can move across a boundary. Called by
    `fastminima.landscape.base_point` and `.screen`.
_splits
    Sorted partial sums S_p of a payload by key without an argsort: partition into cache-sized buckets, sort
    each with its payload, sweep; O(m) for keys with a bounded density. Called by `fastminima.splits`.
"""
