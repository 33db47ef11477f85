"""What surrounds a given network: excess risks of other networks and of random perturbations.

Modules, lowest first:

- `excess_risk`: the difference of two risks without cancellation.
- `perturb`: millions of perturbations of one network: drawn, evaluated and counted.
- `probe`: massive random perturbation: does any of a million nearby points have a lower risk?
"""
