"""
Members of the family
=====================

Theorem 1 gives infinitely many minima of the same risk. Certified radius of forty of them.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastminima as fm

low = fm.spurious_minimum(fm.load_demo("diabetes"), width=8)
radii = sorted(member.radius for member in low.sample(40, rng=0))
print(f"radii from {radii[0]:.3g} to {radii[-1]:.3g}")

figure, ax = plt.subplots(layout="constrained")
ax.step(radii, np.arange(1, 41), where="post")
ax.set(xlabel="certified radius", ylabel="members at most that large", xscale="log")
