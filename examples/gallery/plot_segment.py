"""
From the bad minimum to a better point
======================================

The risk along the straight line between theorem 1's two networks on the diabetes data. The line starts flat: within the
certified radius no network at all is lower. Then it climbs, and ends below.
"""

import matplotlib.pyplot as plt

import fastminima as fm

data = fm.load_demo("diabetes")
low = fm.spurious_minimum(data)
better = fm.better_point(low)
line = fm.segment(low, better)
print(low, better, sep="\n")

figure, ax = plt.subplots(layout="constrained")
ax.plot(line.t, line.risk - low.risk)
ax.set(xlabel="position on the line (0: minimum, 1: better point)", ylabel="excess risk")
