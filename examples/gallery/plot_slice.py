"""
A slice through the surface
===========================

The risk on a plane through theorem 1's minimum on the diabetes data.
"""

import matplotlib.pyplot as plt

import fastminima as fm

low = fm.spurious_minimum(fm.load_demo("diabetes"))

figure, ax = plt.subplots(layout="constrained")
fm.plot_slice(low, ax=ax)
