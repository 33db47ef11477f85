"""
Sampling sees nothing lower near the minimum
============================================

20,000 perturbations at each of nine radii. Within the certified radius none can be lower, and that is
proved; samples outside
it only show what they happened to meet.
"""

import matplotlib.pyplot as plt

import fastminima as fm

low = fm.spurious_minimum(fm.load_demo("diabetes"))
sweep = low.probe(radius=[10 ** (k / 2) for k in range(-4, 5)], n=20_000)
print(sweep)

figure, ax = plt.subplots(layout="constrained")
fm.plot_probe(sweep, ax=ax, certified=low.radius)
