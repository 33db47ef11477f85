"""What surrounds a given network: excess risks of other networks and of random perturbations.

Modules, lowest first:

- `verdict`: the words of answers about minima.
- `smooth`: smooth activations, and weight decay: critical points in balls, each with the ball in which it is the only
  one.
- `excess_risk`: the difference of two risks without cancellation.
- `decide`: is a network at a local minimum? Exact conditions, multipliers, the region around it, and the way out.
- `perturb`: millions of perturbations of one network: drawn, evaluated and counted.
- `signs`: signs of excess risks in balls, where float64 estimates leave them open: of the lowest point, and of those near
  0.
- `probe`: massive random perturbation: does any of a million nearby points have a lower risk?
- `polish`: from a trained network to an exact local minimum.
- `bracket`: how far from the best? What no network of a width can go below, and the best that a search finds.
"""
