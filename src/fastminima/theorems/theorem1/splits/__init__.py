"""The set J: sorted partial sums of the residuals, and the split with the largest push.

Modules, lowest first:

- `sum_scale`: powers of two for sums that must neither overflow nor vanish, and the sums that one range of keys hands
  to the next.
- `bucket_plan`: how keys map to buckets, from a small sample of them.
- `sorted_sums`: residuals sorted by fitted value, and their partial sums swept against a rule, by kernels.
- `search`: the set J of theorem 1 (step 2, case 1) and the split in it with the largest drop of the risk.
"""
