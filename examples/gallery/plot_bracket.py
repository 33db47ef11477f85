"""
How far from the best?
======================

Both ends are proved: no network of that width is below the interval, and one that is in hand attains its upper end.
"""

import matplotlib.pyplot as plt

import fastminima as fm

x = [[float(v)] for v in range(-3, 4)]
y = [0.0, 0, 2, 3, -3, -2, 2]
brackets = fm.bracket((x, y), width=[1, 2, 3, 4], n_starts=4)

figure, ax = plt.subplots(layout="constrained")
fm.plot_bracket(brackets, ax=ax)
