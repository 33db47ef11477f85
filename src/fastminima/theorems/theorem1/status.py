"""What a construction can answer."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["BetterStatus", "MinimumStatus"]


class MinimumStatus(StrEnum):
    """Whether a strictly better network of the same width exists.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> low.status is fm.MinimumStatus.SPURIOUS, low.status == "spurious"
    (True, True)
    """

    SPURIOUS = "spurious"
    """A strictly better network of the same width exists: the local minimum is not global."""
    GLOBAL = "global"
    """No better point exists: the data are exactly affine, or the linear fit is optimal among all functions of x, or (at
    width 1) among all networks with one hidden unit."""
    UNDECIDED = "undecided"
    """A local minimum; whether a better network of its width exists is open: float64 cannot tell and the data are too large
    for the exact way, or the width is 1, where no better network was found and none is ruled out."""
    BOTTLENECK = "bottleneck"
    """Of deep networks: the narrowest layer has fewer units than the rank of the best affine map; nothing is built."""
    SEPARABLE = "separable"
    """Of logistic and softmax loss: an affine map tells all classes apart, the loss has infimum 0 and no minimum; nothing is
    built."""
    QUASI_SEPARABLE = "quasi_separable"
    """Of logistic and softmax loss: an affine map tells some classes apart and none the others, no minimum is reached;
    nothing is built."""
    NEAR_MINIMUM = "near_minimum"
    """Of GELU, SiLU, softplus and Mish, one hidden layer: nothing nearby is lower by more than an epsilon that float64 does
    not see; not called a local minimum."""
    NO_AFFINE_SEGMENT = "no_affine_segment"
    """The activation is affine on no interval (tanh, GELU): the construction does not apply; nothing is built."""


class BetterStatus(StrEnum):
    """Outcome of the search for a strictly better point.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> fm.better_point(low).status is fm.BetterStatus.BETTER
    True
    >>> sorted(str(status) for status in fm.BetterStatus)
    ['better', 'linearly_fittable', 'no_better_point', 'undecided']
    """

    BETTER = "better"
    """A float64 network whose exact risk is below the exact least-squares risk; `network` holds it."""
    LINEARLY_FITTABLE = "linearly_fittable"
    """The data are exactly affine, risk 0: condition (C1.1) fails."""
    NO_BETTER_POINT = "no_better_point"
    """Every group of equal inputs has residual sum 0: the linear fit is optimal among all functions of x."""
    UNDECIDED = "undecided"
    """A better point exists, but no float64 network tried could be proved better than the exact fit."""
