"""`ReLURegressor` and `SpuriousMinimumRegressor`: scikit-learn estimators whose fitted networks come with proofs."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.landscape.bracket.bracket import Bracket, bracket
from fastminima.landscape.bracket.fit_network import NetworkFit, fit_network
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import relu
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.proof.certificate import Certificate
from fastminima.proof.prove import prove
from fastminima.system.options import one_of, spelled
from fastminima.system.packages import import_optional
from fastminima.theorems.theorem1.better_point import BetterPoint, better_point
from fastminima.theorems.theorem1.minimum import SpuriousMinimum, spurious_minimum

from .merged import merged

# the name of the folder is that of the package it serves, so the package is asked for by its whole name
_base = import_optional("sklearn.base", extra="sklearn", purpose="fastminima.sklearn")
_validation = import_optional("sklearn.utils.validation", extra="sklearn", purpose="fastminima.sklearn")

__all__ = ["ReLURegressor", "SpuriousMinimumRegressor"]

Method = Literal["best", "kink", "search"]
_METHODS = ("best", "kink", "search")
# Enough for the greedy starts and some random ones; a number of starts, not seconds, makes fits repeatable.
_STARTS = 8


class _NetworkRegressor(_base.RegressorMixin, _base.BaseEstimator):  # type: ignore[name-defined] # no stubs
    """What both estimators share: checks of their input, and predictions of `network_`."""

    network_: OneHiddenLayer

    def _dataset(self, X: Any, y: Any, sample_weight: Any) -> Dataset:
        """The rows as scikit-learn checks them, equal ones merged; sets `n_features_in_` and `feature_names_in_`."""
        X, y = _validation.validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if sample_weight is not None:
            sample_weight = _validation._check_sample_weight(sample_weight, X, dtype=np.float64)
        return merged(X, np.asarray(y, dtype=np.float64), sample_weight)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Outputs of `network_`.

        Parameters
        ----------
        X : array-like or frame, shape (m, dx)
            Features, in the order and with the names of `fit`.

        Returns
        -------
        ndarray of float64, shape (m,)
            In the units of the target.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Another number of features, other names, NaN or inf.
        """
        _validation.check_is_fitted(self, "network_")
        return self.network_.predict(_validation.validate_data(self, X, reset=False, dtype=np.float64))


class ReLURegressor(_NetworkRegressor):
    """A one-hidden-layer network fitted by the library's search, with a certificate.

    It minimises the risk 1/2 sum w (f(x) - y)^2, without weight decay; `score` is scikit-learn's R^2.

    Parameters
    ----------
    width : int, default 8
        Hidden units.
    method : {"best", "kink", "search"}, default "best"
        "search": `fastminima.fit_network`. "best": the same, walked on to the local minimum beside it
        (`fastminima.polish`). "kink": the linear fit bent once, by `fastminima.better_point`: least time, width >= 2.
    activation : PiecewiseLinear, str or torch.nn.Module, default relu
        Piecewise linear, such as "leaky_relu:0.2".
    seconds : float, optional
        Time of the search. With it, the network depends on the machine's speed.
    n_starts : int, optional
        Starts of the search; 8 where `seconds` is not given either.
    random_state : int, RandomState instance or None, default 0
    workers : int, default 1
        Threads of the search.

    Attributes
    ----------
    network_ : OneHiddenLayer
        Whose outputs `predict` gives.
    result_ : NetworkFit or BetterPoint
        What the search, or theorem 1's construction, said.
    data_ : Dataset
        The rows that were fitted: sorted, equal ones merged into one of their summed weight.
    risk_ : float
        1/2 sum w (f(x) - y)^2 of `network_` on them.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where `fit` was given names.

    Raises
    ------
    MissingDependencyError
        When imported without scikit-learn (extra `sklearn`).

    Examples
    --------
    >>> from fastminima.sklearn import ReLURegressor
    >>> x = [[float(v)] for v in range(-3, 4)]
    >>> model = ReLURegressor(width=3).fit(x, [0.0, 0, 2, 3, -3, -2, 2])
    >>> model.risk_ < 1e-20
    True
    """

    result_: NetworkFit | BetterPoint

    def __init__(
        self,
        width: int = 8,
        *,
        method: Method = "best",
        activation: ActivationLike = relu,
        seconds: float | None = None,
        n_starts: int | None = None,
        random_state: Any = 0,
        workers: int = 1,
    ) -> None:
        self.width = width
        self.method = method
        self.activation = activation
        self.seconds = seconds
        self.n_starts = n_starts
        self.random_state = random_state
        self.workers = workers

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> ReLURegressor:
        """Fit the network.

        Parameters
        ----------
        X : array-like or frame, shape (m, dx)
        y : array-like, shape (m,)
        sample_weight : array-like, shape (m,), optional
            Nonnegative.

        Returns
        -------
        ReLURegressor
            The estimator.

        Raises
        ------
        OptionError, NetworkError, DataError
            For another `method`, numbers out of range, other activations, and negative weights.
        """
        if not one_of(self.method, _METHODS):
            raise OptionError(f"method must be one of {', '.join(_METHODS)}, got {spelled(self.method)}")
        self.data_ = data = self._dataset(X, y, sample_weight)
        if self.method == "kink":
            low = spurious_minimum(data, as_piecewise(self.activation, "ReLURegressor"), self.width)
            point = better_point(low, "kink", random_state=self._seed())
            # the linear fit stays where no bend lowers its risk
            self.result_, self.network_ = point, low.network if point.network is None else point.network
        else:
            found = fit_network(data, self.width, **self._search())
            self.result_, self.network_ = found, found.network
            if self.method == "best" and found.polished.risk + found.polished.excess <= found.risk:
                self.network_ = found.polished.network
        self.risk_ = self.network_.risk(data)
        return self

    def _seed(self) -> Any:
        """The random state as the library's own functions take it, so that they find the same network for it."""
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31 - 1))
        return self.random_state

    def _search(self) -> dict[str, Any]:
        """Arguments of `fit_network` and `bracket`."""
        starts = _STARTS if self.seconds is None and self.n_starts is None else self.n_starts
        return {
            "activation": self.activation,
            "seconds": self.seconds,
            "n_starts": starts,
            "random_state": self._seed(),
            "workers": self.workers,
        }

    @property
    def certificate_(self) -> Certificate:
        """Made when asked for: of the local minimum beside the network, or ("kink") that it is below the linear fit.

        `ProofError` where there is no such claim. It is about `data_`.
        """
        _validation.check_is_fitted(self, "network_")
        if isinstance(self.result_, NetworkFit):
            return prove(self.result_.polished)
        return prove(self.result_.low, self.result_ if self.result_ else None)

    @property
    def bracket_(self) -> Bracket:
        """Made when asked for: an interval, proved, that holds the least risk of all networks of the width on `data_`."""
        _validation.check_is_fitted(self, "network_")
        return bracket(self.data_, self.width, **self._search())


class SpuriousMinimumRegressor(_NetworkRegressor):
    """The spurious local minimum of theorem 1 as a model: a network that predicts as the linear fit does.

    For teaching, and as the baseline that a trained network has to be below.

    Parameters
    ----------
    width : int, default 2
        Hidden units.
    activation : PiecewiseLinear, str or torch.nn.Module, default relu
        Piecewise linear, such as "leaky_relu:0.2".

    Attributes
    ----------
    network_ : OneHiddenLayer
    result_ : SpuriousMinimum
        With status, certified radius and reason.
    data_ : Dataset
        The rows that were fitted: sorted, equal ones merged into one of their summed weight.
    risk_ : float
        1/2 sum w (f(x) - y)^2 of `network_` on them.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where `fit` was given names.

    Examples
    --------
    >>> from fastminima.sklearn import SpuriousMinimumRegressor
    >>> model = SpuriousMinimumRegressor().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0])
    >>> str(model.result_.status), round(model.risk_, 6)
    ('spurious', 0.333333)
    """

    result_: SpuriousMinimum

    def __init__(self, width: int = 2, *, activation: ActivationLike = relu) -> None:
        self.width = width
        self.activation = activation

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> SpuriousMinimumRegressor:
        """Build the minimum.

        Parameters
        ----------
        X : array-like or frame, shape (m, dx)
        y : array-like, shape (m,)
        sample_weight : array-like, shape (m,), optional
            Nonnegative.

        Returns
        -------
        SpuriousMinimumRegressor
            The estimator.
        """
        self.data_ = self._dataset(X, y, sample_weight)
        h = as_piecewise(self.activation, "SpuriousMinimumRegressor")
        self.result_ = spurious_minimum(self.data_, h, self.width)
        self.network_, self.risk_ = self.result_.network, self.result_.risk
        return self

    @property
    def certificate_(self) -> Certificate:
        """Made when asked for: that no network near this one has a lower risk on `data_`."""
        _validation.check_is_fitted(self, "network_")
        return prove(self.result_)
