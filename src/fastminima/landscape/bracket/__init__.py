"""How far from the best? What no network of a width can go below, and the best that a search finds.

Modules, lowest first:

- `points_on_a_line`: the least risk of few kinks on points of one input, from below, proved.
- `lines`: rows that agree in all inputs but one: where every unit bends at most once.
- `scaled_inputs`: the distinct inputs as the search of cells takes them, and the way back.
- `direction_boxes`: cells of the space of hidden rows, and how they are cut.
- `exact_cells`: the least risk that a cell leaves on the rows that it decides, in rational arithmetic.
- `branch_and_bound`: the least risk of all networks of a small width, from below: the lowest cell cut first.
- `fit_network`: `fit_network`: the best network of a width that a search finds, with its exact risk.
- `lower_bound`: `lower_bounds`: the best proved lower bound of the risk for each width, and the fact behind it.
- `interpolation`: `interpolation_width`: a width at which the risk is the pure error.
- `bracket`: `bracket`: an interval, proved, that holds the least risk of all networks of a width.
"""
