# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # A bad local minimum, with proof: XOR
#
# Yun, Sra and Jadbabaie (ICLR 2019): almost every regression dataset gives a ReLU network of one hidden
# layer a local minimum that
# is not global. Open this file as a notebook with jupytext (`jupytext --to ipynb lecture.py`), and run it from the top.

# %%
import matplotlib.pyplot as plt
import numpy as np

import fastminima as fm

data = fm.load_demo("xor")
print(np.column_stack([data.X, data.y]))

# %% [markdown]
# ## Step 1. Least squares cannot do XOR
# The best affine function says 1/2 everywhere, and its risk ½ Σ (f(x) − y)² is ½ · 4 · ¼ = ½.

# %%
fit = fm.least_squares(data)
print("fitted", fit.fitted, "residual", fit.residual, "risk", fit.risk)
assert abs(fit.risk - 0.5) < 1e-12

# %% [markdown]
# ## Step 2. A network that is this affine function, and a local minimum
# All units are active on every sample, with room to spare. As long as no sample crosses a kink, the network
# stays affine, and
# no affine function beats least squares. The room gives the certified radius.

# %%
low = fm.spurious_minimum(data)
print(low)
print("W1", low.network.W1, "b1", low.network.b1, "W2", low.network.W2, "b2", low.network.b2, sep="\n")

# %% [markdown]
# ## Step 3. A strictly better network of the same width
# All fitted values are equal here, so the set J of the proof is empty: this is the theorem's second case.

# %%
better = fm.better_point(low)
print(better)
assert better.drop_certified > 0

# %% [markdown]
# ## The picture
# Along the line from one to the other.

# %%
line = fm.segment(low, better)
figure, ax = plt.subplots(layout="constrained")
ax.plot(line.t, line.risk - low.risk)
ax.axhline(0, color="0.6", linewidth=0.8)
ax.set_xlabel("from the minimum (0) to the better point (1)")
_ = ax.set_ylabel("excess risk")

# %% [markdown]
# ## The certificate
# Exact numbers, checked again by a program of the standard library alone that shares no line with the one
# that made them.

# %%
certificate = fm.prove(low, better)
verdict = fm.check(certificate, data)
print(verdict)
assert verdict
