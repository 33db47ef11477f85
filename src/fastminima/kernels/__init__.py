"""The compiled kernels: single threaded, GIL released, each with a stub and a NumPy twin (`reference_*`).

_forward
    sums_f64, sums_f32: sum_i w_i (f_k(x_i) - y_i)^2 for K networks f_k(x) = b2 + W2 h(W1 x + b1) of one shape,
    W1 (K, d1, dx), X (m, dx); 2 m K d1 (dx + 1) flops, the hidden layer never leaves the registers.
    outputs_f64: the outputs of one network. Called by `fastminima.batched`.
_splits
    Sorted partial sums S_p of a payload by key without an argsort: partition into cache-sized buckets, sort
    each with its payload, sweep; O(m) for keys with a bounded density. Called by `fastminima.splits`.
"""
