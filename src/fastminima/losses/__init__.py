"""Losses: their change without cancellation, with a proved enclosure.

A loss of one row (`pointwise`) knows no data; a sum over rows (`per_sample`) composes it with a table and is a function
ell0 of the product R = W_{H+1} ... W_1, never divided by the number of samples.

Modules, lowest first:

- `base`: what every loss of a matrix product offers: value, gradient, and changes that no cancellation spoils.
- `elementary`: what losses of one row are made of: parameters above 0, and the logistic function.
- `custom`: a user's own loss of the product: functions, and what is known about them.
- `gradient_check`: is a loss's gradient its value's? Difference quotients decide, within bounds of their own.
- `slope_signs`: exact signs of slopes that are no rationals: probabilities against targets, log-odds against rationals.
- `pointwise`: losses of one row, phi(z; y): value, slope, curvature and what bounds them. They know no data.
- `smoothed_labels`: logistic and softmax losses of smoothed labels.
- `row_sum`: the sum of a loss over the rows of a dataset, enclosed: from floats with bounds, from rationals, from balls.
- `per_sample`: sums of a pointwise loss over samples, w_i phi(R x_i; y_i): sums in blocks, error bounds and changes,
  once for all.
- `given`: what a caller may name as the loss of a network's rows.
- `named`: huber, logistic, softmax, log-cosh and quantile losses of a deep linear network, as functions of its
  product.
- `squared`: the squared loss of a linear map, summed over samples: from rows in float64, from exact moments in
  rationals.
- `weighted_sum`: sums of losses of one product, with weights of either sign: what is known of the parts decides about
  the sum.
"""
