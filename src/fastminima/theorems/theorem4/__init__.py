"""Theorem 4: critical points of deep linear networks, minimum or saddle, and the way out.

Modules, lowest first:

- `decision`: a verdict, the part of theorem 4 that gives it, and why: what both ways of deciding hand on.
- `bottleneck`: squared loss behind a bottleneck whose rank is used up: what is learnt, in float64, and the rotation
  that lowers the loss.
- `hessian`: how many directions of negative curvature a deep linear network's squared loss has, counted exactly.
- `local_inverse`: lemma A.6: where the product of a chain can be inverted locally by moving one factor.
- `product_change`: how much the product of a chain of matrices changes when its factors do, without subtracting two
  products.
- `singular_values`: singular values of products of layers, how far rounding may have moved them, and what was decided
  by each.
- `squared_loss`: the sharper verdict for squared loss: which part of the data a critical point has learnt, and how
  strict a saddle is.
- `zero_gradient`: Theorem 4 where G = 0: what ell0 has at its critical point, the product, decides (parts 2 and 3,
  corollary 5).
- `decide_exactly`: Theorem 4 decided exactly: weights and data as the rationals they are, criticality, G = 0 and null
  spaces by integers.
- `decide_within_tolerance`: Theorem 4 within a tolerance, for weights that come from training: singular values with
  margins, nothing certified.
- `escape_exact`: the escape pair of theorem 4 in rational arithmetic: one tuple up, one down, for any radius, and its
  order.
- `escape_float`: the escape pair of theorem 4 from singular vectors: one tuple up, one tuple down, both differences
  bounded.
- `classify`: `classify_linear` and `escape`: theorem 4 and corollary 5 as a report, exact by default, within a
  tolerance on request.
- `critical_points`: critical points of deep linear networks, made to order.
"""
