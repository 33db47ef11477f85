"""Critical points of deep linear networks, made to order.

Modules, lowest first:

- `draws`: what the makers of critical points share: the result, small integer matrices, unimodular changes of basis.
- `by_case`: critical points by case of theorem 4's proof: random integer factors, one of them of low rank, and
  targets made for them.
- `by_indices`: critical points by index set: which eigenvalues of Sigma a network under squared loss has learnt.
- `critical_point`: critical points of deep linear networks of known kind, exactly critical, made to order.
"""
