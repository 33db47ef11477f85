"""
Theorem 2: three samples, many activations
==========================================

For each activation a local minimum of risk 1/3 and a network of risk 0 on the same three samples, both
certified. What differs is
how large the ball is in which nothing lower is proved to be.
"""

import matplotlib.pyplot as plt

import fastminima as fm

names = ["tanh", "sigmoid", "arctan", "elu", "softplus", "relu"]
found = [fm.counterexample(name) for name in names]
for name, one in zip(names, found, strict=True):
    print(f"{name:10s} {one.status}")

figure, ax = plt.subplots(layout="constrained")
ax.barh(names, [one.radius for one in found])
ax.set(xlabel="certified radius", xscale="log")
