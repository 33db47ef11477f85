"""Is a network at a local minimum? Exact conditions, multipliers, the region around it, and the way out.

Modules, lowest first:

- `sides`: on which side of its boundary every unit has every sample: exactly, by a float filter and integers where it
  is silent.
- `stationarity`: what the conditions for a local minimum are made of: residual sums of equal inputs, boundary sets,
  gradients of the units.
- `leave`: from a local minimum with a unit that is off, at constant risk, to a strictly better point.
- `programme`: is a point in a zonotope? Multipliers, or a direction that separates them; floats propose, rationals
  decide.
- `region`: where no lower point can be: the cone of a local minimum and the largest ball in it.
- `escape`: the way out of a point that is no local minimum: a network whose exact risk is proved lower, inside any
  ball.
- `zonotope`: is one zonotope inside another? The condition at a unit with samples on its boundary, decided in
  rational numbers.
- `first_order`: does the risk fall to first order? One pass in float64 whose answer is a proof where it says yes.
- `evidence`: what a decision rests on, each part computed at its first use: exact sums, units, kinks, the region, the
  way out.
- `decision`: `decide`: is a network at a local minimum of its risk? Yes, no or not known, each with its reason;
  exact.
"""
