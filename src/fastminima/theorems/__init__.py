"""The paper's theorems, a folder each; none imports another.

Modules, lowest first:

- `theorem1`: Theorem 1: every dataset that no affine function fits has a spurious local minimum, and a better point.
- `theorem2`: Theorem 2: almost every activation has a spurious local minimum on three samples.
- `theorem4`: Theorem 4: critical points of deep linear networks, minimum or saddle, and the way out.
"""
