"""
How bad is it, for other slopes?
================================

The drop that theorem 1's construction proves, for leaky ReLUs between ReLU and nearly linear. Every slope but 1 has it; the
nearer to linear, the smaller it is.
"""

import matplotlib.pyplot as plt

import fastminima as fm

data = fm.load_demo("diabetes")
slopes = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9]
drops = []
for slope in slopes:
    better = fm.better_point(fm.spurious_minimum(data, fm.leaky_relu(slope) if slope else fm.relu))
    drops.append(better.relative_drop)

figure, ax = plt.subplots(layout="constrained")
ax.plot(slopes, drops, "o-")
ax.set(xlabel="slope for negative inputs", ylabel="drop / least-squares risk")
