"""The compiled kernels: single threaded, GIL released, each with a stub and a NumPy twin (`reference_*`).

_blas
    dgemm, sgemm, dsyrk: products of row-major matrices through SciPy's BLAS, which is called nowhere else; 2 m n k flops.
    Its .pxd has the same for kernels that hold pointers, such as `_masked`.
_cones
    node_bound: a lower bound, proved in spite of rounding, of the least risk of networks whose hidden rows lie in cones, on
    the rows whose sides the cones decide; n p^2/2 + O(n p) flops for p = w (dx + 1) + 1 unknowns, and O(p^3).
    multipliers: of least squares within linear inequalities. Called by `fastminima.landscape.bracket.branch_and_bound` and
    `.exact_cells`.
_digest
    blake2s_sums: the sum of the BLAKE2s digests of rows (m, k) of float64, one row per lane; ceil(k / 8) compressions
    a row. packed_rows: rows as they are digested. Called by `fastminima.exact.digest`.
_first_order
    first_order_sums: sum w e (x, 1) over all samples and over those with z_k > 0, as two words with a proved bound, and the
    least |z| / |(x, 1)|; 9 m d1 (dx + 1) flops. Called by `fastminima.landscape.decide.first_order`.
_forward
    sums_f64, sums_f32: sum_i w_i (f_k(x_i) - y_i)^2 for K networks f_k(x) = b2 + W2 h(W1 x + b1) of one shape,
    W1 (K, d1, dx), X (m, dx); 2 m K d1 (dx + 1) flops; the hidden layer never leaves the registers, for
    wide inputs, taken in slices, the second-level cache.
    outputs_f64: the outputs of one network. Called by `fastminima.networks.batched_risk`.
_gram
    digit_products: exact sums of products of the 24-bit digits of n columns, L digits in all; m L (L + 1) flops.
    column_ends: which powers of two a column spans; columns_of: rows to columns. Called by `fastminima.exact.digits`
    and `.gram`.
_kinks
    scan_knots: where along each of many directions one more kink lowers the risk most, all coefficients of a linear basis
    refitted; O(m k) a direction for k columns. Called by `fastminima.fit.kinks`.
_masked
    masked_products: exact sums of w m_k m_k' v_a v_b for pairs of masks and pairs of columns: products cut into digits, one
    dgemm a block; 2 m (pairs of masks) (digits) flops. Called by `fastminima.exact.masked_products`.
_patterns
    preactivations: z = W1 x + b1 with a proved error bound; sign_keys, equal_keys, grouped_columns: rows grouped by the
    signs of z; quotients: bounds of z / |(x, 1)|. 4 m d1 (dx + 1) flops. Called by `fastminima.exact.signs` and `.stream`.
_perturb
    perturbations: the k-th random direction of a (seed, k) alone, Philox, sfc32 and Box-Muller in plain IEEE arithmetic,
    the same bits in every variant. excess_f64, excess_f32: what a block of perturbations changes, fused like
    `_forward`, D built from the perturbation and never as a difference of outputs. Called by
    `fastminima.landscape.perturb.points` and `.direct`.
_pieces
    joined, independent: lower bounds, proved in spite of rounding, of the least risk on n points of one input with k kinks;
    O(n^3 k) and O(n^2 k). Called by `fastminima.landscape.bracket.points_on_a_line`.
_rows
    evaluate_rows, moments_rows: a pass over rows (x, y) where they lie: fitted values, residuals, norms and gradient sums;
    products of (1, x', y') for up to MOST_COLUMNS columns. Called by `fastminima.fit.running_sums`.
_screen
    base_sums: gradient sums of the base point in double-double. screened_excess: one quadratic form a perturbation
    and, one by one, only the samples its own norms can move across a boundary; it takes a ScreenScratch, made once for a
    ScreenProblem, made once for a set of listed samples. Called by `fastminima.landscape.perturb.base_point` and `.screen`.
_search
    descend: steps of a descent of the risk of a small network through its activation patterns, each an exact line search;
    m (w n)^2 + O(m w) operations a step. best_hinge: where one more kink lowers a risk most, O(m n) a direction. Called by
    `fastminima.fit.chain` and `.scaled_rows`.
_smooth
    sums_f64, sums_f32, outputs_f64: those of `_forward` with a smooth activation, fused the same way: 20 to 60 operations
    more a unit and vector of samples. curve_f64, curve_f32: the activation alone; exp, tanh, erf, log1p within 4 units in
    the last place, proved. Called by `fastminima.networks.batched_risk` and `.activations.compiled`.
_splits
    Sorted partial sums S_p of a payload by key without an argsort: partition into cache-sized buckets, sort
    each with its payload, sweep; O(m) for keys with a bounded density. Called by
    `fastminima.theorems.theorem1.splits`.
_walk
    near, meet, cross: a line through the kinks of a piecewise quadratic: which samples are near boundaries, when they meet
    them, and the meetings in their order until the risk turns up. 2 m n d1 flops a list, then only what is listed.
    Called by `fastminima.landscape.polish.line_search`.
"""
