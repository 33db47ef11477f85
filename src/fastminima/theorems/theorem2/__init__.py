"""Theorem 2: almost every activation has a spurious local minimum on three samples.

Modules, lowest first:

- `certify_radius`: the certified radius of theorem 2's bad minimum, by ball arithmetic.
- `certify_zero_risk`: Theorem 2's point of risk 0: the risk of a float64 network enclosed, and the equality (C2.1)
  solved for certain.
- `conditions`: one condition of a theorem at a witness: its name, what it says, and what is known about it.
- `bending`: where an activation bends up and where down, in float64: what a search for witnesses looks at, and proves
  nothing from.
- `image`: Theorem 2's example elsewhere: affine images of its samples and targets, more inputs, more hidden
  units.
- `radius_estimates`: radii of the mixed case of theorem 2 in float64, for a whole grid of candidates: estimates that
  choose, and prove nothing.
- `ranking`: scores rounded so that ties between witnesses are ties on every machine.
- `global_minimum_search`: search for the witnesses of theorem 2's point of risk 0 in float64: fixed grids, most
  accurate networks first.
- `global_minimum`: Theorem 2's point of risk 0, from float64 witnesses to a network whose exact counterpart is proved
  to exist.
- `local_minimum_search`: search for the witnesses of theorem 2's bad minimum in float64: fixed grids, refined around
  the best, certified elsewhere.
- `witnesses`: what the searches found for the activations known by name: numbers that are certified again at use.
- `local_minimum`: Theorem 2's bad local minimum, from float64 witnesses to a network with the radius in which it is
  proved.
- `counterexample`: Theorem 2 and corollary 3: one dataset of three samples on which almost any activation has a bad
  local minimum.
"""
