"""Estimators for scikit-learn: one-hidden-layer networks fitted by the search, and the spurious minimum as a model.

Modules, lowest first:

- `merged`: rows that are equal become one row of their summed weight, in sorted order.
- `estimators`: `ReLURegressor` and `SpuriousMinimumRegressor`.
"""

from .estimators import ReLURegressor as ReLURegressor
from .estimators import SpuriousMinimumRegressor as SpuriousMinimumRegressor

__all__ = ["ReLURegressor", "SpuriousMinimumRegressor"]
