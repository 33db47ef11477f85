"""
What the two networks compute
=============================

With one feature the functions can be drawn: the bad minimum is the least-squares line, the better network bends it.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastminima as fm

x = np.linspace(-2, 2, 41)[:, None]
y = np.abs(x[:, 0]) + 0.3 * np.sin(7 * x[:, 0])
low = fm.spurious_minimum((x, y))
better = fm.better_point(low)
print(better)

figure, ax = plt.subplots(layout="constrained")
ax.plot(x, y, "k.", label="data")
ax.plot(x, np.ravel(low.network.predict(x)), label="local minimum")
if better.network is not None:
    ax.plot(x, np.ravel(better.network.predict(x)), "--", label="better network")
ax.set(xlabel="x", ylabel="y")
ax.legend()
