"""
The partial sums S_j, on which the proof turns
==============================================

Samples are sorted by fitted value. Where the sum of the first residuals is not 0, and the next fitted value
is larger, a pair
of units can bend the network there and lower the risk: these places are the set J.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastminima as fm

fit = fm.least_squares(fm.load_demo("diabetes"))
order = np.argsort(fit.fitted, kind="stable")
sums = np.cumsum(fit.residual[order])
split = fm.best_split(fit.fitted, fit.residual)
print(len(fm.split_set(fit.fitted, fit.residual)), "places in J; the best:", split)

figure, (above, below) = plt.subplots(2, 1, sharex=True, layout="constrained")
above.plot(fit.fitted[order], fit.residual[order], ".", markersize=3)
above.set_ylabel("residual")
below.step(fit.fitted[order], sums, where="post")
below.axhline(0, color="0.6", linewidth=0.8)
below.set(xlabel="fitted value, sorted", ylabel="partial sum S_j")
