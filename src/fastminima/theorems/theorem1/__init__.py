"""Theorem 1: every dataset that no affine function fits has a spurious local minimum, and a better point.

Modules, lowest first:

- `drop`: proved bounds on how far a network's risk lies below least squares.
- `rounded_networks`: exact networks rounded to float64 in an order that keeps what they gain.
- `status`: what a construction can answer.
- `unit_in_frame`: a hidden unit as an affine form of the centred inputs, with a bound for its rounding.
- `certify_minimum`: proof of step 1: the certified radius of a spurious minimum, and how far its risk lies above
  least squares.
- `splits`: the set J: sorted partial sums of the residuals, and the split with the largest push.
- `candidate`: candidates for a better point, from the closed forms of theorem 1, step 2, rounded to float64 arrays.
- `certify_split`: the drop of a pushed split, enclosed from sums already known: no pass over the data.
- `certify_drop`: claims about a float64 network, decided in float64 with proved error bounds; the exact route where
  they are weak.
- `evidence`: which case of theorem 1 holds for a dataset: the set J, decided in float64 where its bound allows,
  exactly else.
- `two_rows`: the minimum of step 1 with its slopes in two hidden rows, high halves and low halves, where one row would
  round too much away.
- `width_one`: whether a network with one hidden unit is better than the linear fit, exactly for one input.
- `certify_cell`: the certified radius of a deep network whose units all stay inside one affine segment.
- `hidden_row`: the arrays of step 1: the slopes in one hidden row, shifted until every preactivation is positive.
- `affine_optimum`: the best affine map for a convex loss: what of it decides which networks reach it, and which are better.
- `several_outputs`: the exact least-squares fit of several targets.
- `float_fit`: minimisers of any of the losses over given features, in floats.
- `huber_fit`: the exact affine minimiser of Huber loss.
- `dual_point`: a lower bound on the least cross entropy of an affine map, and the proof that it is reached.
- `separation`: whether an affine map tells classes apart, so that no cross entropy is reached.
- `logit_ties`: whether the shares of classes in groups of equal inputs are the probabilities of an affine map.
- `slope_rank`: whether the rank of the best slopes, which floats know about, is proved to be so large.
- `class_fit`: the best affine map under logistic or softmax loss, and what its bound proves.
- `best_affine`: which of these a loss asks for.
- `width_condition`: whether a strictly better network with these hidden widths exists.
- `deep_construction`: layers inside the segment that compute the least-squares map, rounded to float64.
- `certify_deep_loss`: is the loss of a deep network proved to lie below a bound?
- `deep_frame`: what candidates for a better deep network are made from.
- `deep_reduced`: candidates with one kink in the first layer and the best linear part of limited rank beside it.
- `deep_candidates`: candidates for a better deep network: a kink in a spare unit, or a vertex of the fitted values.
- `deep_search`: the first of them that is proved.
- `given_classes`: labels as class numbers, and what is no set of classes.
- `rank_loss`: the least squared loss of affine maps of limited rank, enclosed.
- `near_minimum`: minima up to an epsilon, of activations that are affine nowhere and nearly so far out.
- `deep_minimum`: theorem 1 for any depth, several outputs and any activation with an affine segment.
- `deep_better_point`: a strictly better network of the same widths than a deep minimum, proved.
- `minimum`: theorem 1, step 1: the spurious local minimum, and the whole family it belongs to.
- `case1`: step 2 where some split set J has a push (the paper's case 1): units moved apart along eta.
- `case2`: step 2 where every split's sum vanishes (the paper's case 2): equal fitted values told apart by a tilt.
- `kink_candidates`: step 2 by greedy kinks: candidates whose bends are fitted to the residuals.
- `exact_kinks`: the same in rational arithmetic, where rounding the slopes costs a visible share of the risk.
- `reduced_kinks`: the same on fewer columns, where some are collinear up to rounding.
- `searched_candidates`: step 2 by a search over all networks of the width.
- `better_point`: theorem 1, step 2: a network of the same width that is strictly better than the spurious minimum.
- `plain_values`: what a construction found as plain values, each under one name; reports choose and rename.
"""
