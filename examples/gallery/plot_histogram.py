"""
One radius: the histogram of excess risks
=========================================

The excess risk of 50,000 points far outside the certified radius.
"""

import matplotlib.pyplot as plt

import fastminima as fm

low = fm.spurious_minimum(fm.load_demo("diabetes"))
probe = low.probe(radius=10.0, n=50_000)
print(probe)

figure, ax = plt.subplots(layout="constrained")
fm.plot_probe(probe, ax=ax)
