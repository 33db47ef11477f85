"""Millions of perturbations of one network: drawn, evaluated and counted.

Modules, lowest first:

- `stopping`: an end when it is asked for: what asks, and what is raised then.
- `base_point`: what a probe needs to know about its base point, summed once.
- `cancelling`: sums over the samples for perturbations whose units move the output by much more than the network
  moves.
- `direct`: excess risks of perturbed parameters by evaluating every sample, without cancellation.
- `smooth_direct`: excess risks of perturbed parameters for activations that are not made of lines: float64 estimates,
  every sample.
- `near_samples`: samples that a small change can carry across a boundary, sorted by unit and margin for the
  screening kernel.
- `points`: sampled excess risks: where the points come from, and what is kept of millions of them.
- `options`: what a probe was asked for, checked once.
- `survey`: one pass over the data around a base point: the samples near a boundary, and the quadratic form of the
  rest.
- `screen`: excess risks of perturbed networks, exactly screened: cost independent of the number of samples that stay
  put.
- `tally`: counts of what perturbations changed: exact histograms and quantiles that merge in any order to the same
  bits.
- `evaluate`: evaluate points on threads: results come in order, depend on neither blocks nor threads, and the run
  can be stopped.
- `plans`: how the points at each radius are evaluated: every sample or a screen, made of lines or not.
"""
