"""What a certificate of each theorem says, from the result that it certifies.

Modules, lowest first:

- `theorem1`: certificates of theorem 1: the exact least-squares fit, a minimum with its radius, a point with lower
  risk, and J.
- `decided`: certificates about any network: a local minimum with its radius, a network near one, a network with a lower
  risk.
- `least_risk`: brackets: no network of a width has a lower risk, and the network found is not far above.
- `pair`: two networks of one's own: what is true of them beside theorem 1, or where theorem 1 says nothing about them.
- `theorem2`: certificates of theorem 2: the minimum with the radius in which it is proved, and the point of risk 0.
- `layers`: certificates of theorem 1 for networks of any depth: the best affine map, a minimum with its radius, a better
  network.
- `theorem4`: certificates of theorem 4: a saddle by its vectors and one pair around it, or a global minimum by its
  gradient.
"""
