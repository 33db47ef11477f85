"""From a trained network to an exact local minimum.

Modules, lowest first:

- `exact_face`: the minimum of the risk on a face, as rational numbers.
- `samples`: distinct inputs, standardised, with merged weights and mean targets.
- `quadratic`: the risk as a quadratic while no sample changes sides, kept up to date as samples cross.
- `face`: a face in float64: samples held on boundaries, sides elsewhere, and the convex quadratic that the risk is
  there.
- `line_search`: along a line through the kinks of a piecewise quadratic: cross those beyond which it still falls,
  stop at the others.
- `near_risk`: the exact risk of a network near one whose exact sums stand already.
- `steps`: the steps of a walk.
- `walk`: the walk itself; floats choose, rationals judge.
- `polish`: `polish`: from a trained network to an exact local minimum.
"""
