"""Huber, logistic, softmax, log-cosh and quantile losses of a deep linear network, as functions of its product.

Each composes a loss of `pointwise` with data; sums over the samples, error bounds and changes are `RowLoss`'s.
"""

from __future__ import annotations

from .per_sample import RowLoss, Rows
from .pointwise import Huber, LogCosh, Logistic, SmoothedQuantile, Softmax

__all__ = ["HuberLoss", "LogCoshLoss", "LogisticLoss", "SmoothedQuantileLoss", "SoftmaxCrossEntropy"]


class HuberLoss(RowLoss):
    """ell0(R) = sum over entries e of R x_i - y_i: e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2).

    Parameters
    ----------
    X, Y, bias
        As in `SquaredLoss`.
    delta : float, default 1.0
        Where the parabola turns into its tangents; finite, > 0.

    Raises
    ------
    LossError
        delta is not a finite number above 0.
    DataError, DataTypeError
        As in `SquaredLoss`.

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.HuberLoss([[1.0], [1.0]], [[0.0], [9.0]], delta=1.0)
    >>> float(loss.value([[1.0]]))  # 1/2, and 8 - 1/2
    8.0
    """

    def __init__(self, X: Rows, Y: Rows, delta: float = 1.0, *, bias: bool = False) -> None:
        phi = Huber(delta)
        self.delta = phi.delta
        super().__init__(phi, X, Y, bias=bias)


class LogisticLoss(RowLoss):
    """ell0(R) = sum over entries log(1 + exp(-s z)), z an output of R x_i, s = ±1 its class.

    Parameters
    ----------
    X, bias
        As in `SquaredLoss`.
    Y : array-like, shape (m, dy) or (m,)
        Classes 0 and 1, or -1 and +1; each output is a yes-or-no question of its own.

    Raises
    ------
    LossError
        Targets that are neither 0 and 1 nor -1 and +1.
    DataError, DataTypeError
        As in `SquaredLoss`.

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.LogisticLoss([[1.0], [1.0]], [[1], [-1]])
    >>> round(float(loss.value([[0.0]])), 12)  # 2 log 2
    1.38629436112
    """

    def __init__(self, X: Rows, Y: Rows, *, bias: bool = False) -> None:
        super().__init__(Logistic(), X, Y, bias=bias)


class SoftmaxCrossEntropy(RowLoss):
    """ell0(R) = sum_i log sum_c exp(z_c) - sum_c y_c z_c, z = R x_i.

    Parameters
    ----------
    X, bias
        As in `SquaredLoss`.
    Y : array-like, shape (m, dy), or (m,) of class numbers
        One row of class probabilities (one-hot rows included) per sample, or the classes 0, 1, ... themselves.
    n_classes : int, optional
        dy when Y holds class numbers; default the largest plus one.

    Raises
    ------
    LossError
        Class numbers that are not 0, 1, ..., or rows that are not probabilities.
    DataError, DataTypeError
        As in `SquaredLoss`.

    Notes
    -----
    Adding one number to all outputs of a sample changes nothing, so minima are never isolated.

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.SoftmaxCrossEntropy([[1.0], [2.0]], [0, 2], n_classes=3)
    >>> round(float(loss.value([[0.0], [0.0], [0.0]])), 12)  # 2 log 3
    2.197224577336
    """

    def __init__(self, X: Rows, Y: Rows, n_classes: int | None = None, *, bias: bool = False) -> None:
        super().__init__(Softmax(n_classes), X, Y, bias=bias)


class LogCoshLoss(RowLoss):
    """ell0(R) = sum over entries log cosh(R x_i - y_i): a parabola near 0, the absolute value far from it.

    Parameters and errors are those of `SquaredLoss`.

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.LogCoshLoss([[1.0]], [[0.0]])
    >>> round(float(loss.value([[1.0]])), 12)
    0.433780830483
    """

    def __init__(self, X: Rows, Y: Rows, *, bias: bool = False) -> None:
        super().__init__(LogCosh(), X, Y, bias=bias)


class SmoothedQuantileLoss(RowLoss):
    """ell0(R) = sum over entries tau e + s log(1 + exp(-e / s)), e = y - z: the pinball loss with a rounded corner.

    Parameters
    ----------
    X, Y, bias
        As in `SquaredLoss`.
    tau : float, default 0.5
        The quantile, between 0 and 1.
    smoothing : float, default 1.0
        s > 0: how wide the corner is; s to 0 gives the pinball loss max(tau e, (tau - 1) e).

    Raises
    ------
    LossError
        tau outside (0, 1), or smoothing not a finite number above 0.
    DataError, DataTypeError
        As in `SquaredLoss`.

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.SmoothedQuantileLoss([[1.0]], [[2.0]], tau=0.9, smoothing=0.01)
    >>> round(float(loss.value([[0.0]])), 6)  # .9 times 2
    1.8
    """

    def __init__(
        self, X: Rows, Y: Rows, tau: float = 0.5, smoothing: float = 1.0, *, bias: bool = False
    ) -> None:
        phi = SmoothedQuantile(tau, smoothing)
        self.tau, self.smoothing = phi.tau, phi.smoothing
        super().__init__(phi, X, Y, bias=bias)
