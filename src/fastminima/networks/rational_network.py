"""Networks with one hidden layer whose parameters are rational numbers: what exact decisions speak of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from fastminima.data.feature_order import input_order
from fastminima.errors import NetworkError
from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth

from .one_hidden_layer import OneHiddenLayer

__all__ = ["RationalNetwork"]


@dataclass(frozen=True, repr=False)
class RationalNetwork:
    """f(x) = b2 + sum_k a_k h(<u_k, (x, 1)>) with rational parameters, a point at which floats round nothing.

    Attributes
    ----------
    rows : tuple of d1 tuples of dx + 1 Fractions
        u_k = (w_k, b_k): weights of unit k, its bias last.
    output : tuple of d1 Fractions
        a_k, the paper's W2.
    bias : Fraction
        b2.
    activation : PiecewiseLinear or Smooth
    feature_names : tuple of str or None
        What the inputs are called; two networks that differ in this alone are equal.

    Examples
    --------
    >>> from fractions import Fraction
    >>> import fastminima as fm
    >>> network = fm.RationalNetwork(((Fraction(1, 3), Fraction(0)),), (Fraction(3),), Fraction(0), fm.relu)
    >>> network.rounded().predict([[1.0]]).tolist()
    [1.0]
    """

    rows: tuple[tuple[Fraction, ...], ...]
    output: tuple[Fraction, ...]
    bias: Fraction
    activation: PiecewiseLinear | Smooth
    feature_names: tuple[str, ...] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        # its numbers may have thousands of digits each
        return f"RationalNetwork({self.n_features} inputs, {self.width} hidden units, {self.activation})"

    @classmethod
    def of(cls, network: OneHiddenLayer | RationalNetwork) -> RationalNetwork:
        """The same network: every float64 is a rational.

        Raises
        ------
        NetworkError
            If the activation is a function of which nothing is known.
        """
        if isinstance(network, RationalNetwork):
            return network
        activation = network.activation
        if not isinstance(activation, PiecewiseLinear | Smooth):
            raise NetworkError(
                f"this needs a PiecewiseLinear or Smooth activation, the network has {activation!r}"
            )
        rows = tuple(
            tuple(Fraction(v) for v in [*w, b])
            for w, b in zip(network.W1.tolist(), network.b1.tolist(), strict=True)
        )
        output = tuple(map(Fraction, network.W2.tolist()))
        return cls(rows, output, Fraction(network.b2), activation, network.feature_names)

    @property
    def width(self) -> int:
        """d1, the number of hidden units."""
        return len(self.rows)

    @property
    def n_features(self) -> int:
        """dx, the number of inputs."""
        return len(self.rows[0]) - 1

    @property
    def slopes(self) -> tuple[Fraction, Fraction]:
        """(s_plus, s_minus), exactly.

        Raises
        ------
        NetworkError
            If the activation is not piecewise linear.
        """
        if not isinstance(self.activation, PiecewiseLinear):
            raise NetworkError(
                f"this needs a PiecewiseLinear activation, the network has {self.activation!r}"
            )
        return Fraction(self.activation.s_plus), Fraction(self.activation.s_minus)

    def with_unit(self, unit: int, row: tuple[Fraction, ...], weight: Fraction) -> RationalNetwork:
        """The network with another hidden row and output weight at one unit."""
        rows, output = list(self.rows), list(self.output)
        rows[unit], output[unit] = row, weight
        return replace(self, rows=tuple(rows), output=tuple(output))

    def in_order_of(self, columns: tuple[str, ...] | None) -> RationalNetwork:
        """The network with its inputs in the order of columns with these names; itself where that is its own order.

        Raises
        ------
        DataError
            Both sides have names, and they are not the same ones.
        """
        order = input_order(self.feature_names, columns)
        if order is None:
            return self
        rows = tuple((*(row[k] for k in order), row[-1]) for row in self.rows)
        return replace(self, rows=rows, feature_names=columns)

    def rounded(self) -> OneHiddenLayer:
        """Every parameter rounded to float64.

        Raises
        ------
        NetworkError
            If a parameter leaves the range of float64.
        """
        table = np.array([[round_fraction(v) for v in row] for row in self.rows])
        output = np.array([round_fraction(a) for a in self.output])
        bias = round_fraction(self.bias)
        return OneHiddenLayer(table[:, :-1], table[:, -1], output, bias, self.activation, self.feature_names)

    def distance_squared(self, other: RationalNetwork) -> Fraction:
        """Squared Euclidean distance of all parameters."""
        pairs = [
            (a, b) for r, s in zip(self.rows, other.rows, strict=True) for a, b in zip(r, s, strict=True)
        ]
        pairs += [*zip(self.output, other.output, strict=True), (self.bias, other.bias)]
        integers, scale = common_numerators([a - b for a, b in pairs])
        return sum(v * v for v in integers) * scale * scale
