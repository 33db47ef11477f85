"""How far from the best? What no network of a width can go below.

Modules, lowest first:

- `points_on_a_line`: the least risk of few kinks on points of one input, from below, proved.
- `lines`: rows that agree in all inputs but one: where every unit bends at most once.
- `lower_bound`: `lower_bounds`: the best proved lower bound of the risk for each width, and the fact behind it.
"""
