"""The risk of a network with one hidden layer in balls, with its gradient and its Hessian, at a point or over a ball.

    F = 1/2 sum w (f(x) - y)^2 + lambda/2 |theta|^2,    f = b2 + sum_k a_k h(z_k),    z_k = <u_k, (x, 1)>,

over all parameters theta = (u, a, b2), the biases among them. With G = w (f - y) and J the Jacobian of the outputs,

    grad F = J' G + lambda theta,    hess F = J' W J + sum G hess f + lambda I,

where hess f has in block (u_k, u_k) a_k h''(z_k) x~ x~', in (u_k, a_k) h'(z_k) x~, and is 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fastminima.errors import ActivationError
from fastminima.exact.dyadic import power_of_two
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.in_series import Series
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.packages import import_optional

from .samples import Samples

__all__ = ["PRECISION", "BallRisk"]

PRECISION = 106
"""Bits of the midpoints: two float64."""


# beyond 2 to this, and below 2 to minus this, balls become no rationals
_EXPONENT = 4_096
_TINY = power_of_two(-_EXPONENT)
# samples whose Jacobian is held at a time
_ROWS = 1_024


@dataclass(frozen=True)
class _Block:
    """Some samples at one precision: (x, 1) as an arb_mat and by rows, targets, weights, and upper bounds on |x~|."""

    start: int
    X: Any
    rows: list[list[Any]]
    y: list[Any]
    w: list[Any]
    norms: list[Any]


@dataclass(frozen=True)
class _Layer:
    """What the parameters give on a block, as lists sample by sample: h, h', h'' (n x d1), and w (f - y)."""

    value: list[Any]
    first: list[Any]
    second: list[Any]
    G: list[Any]


@dataclass(frozen=True)
class _Held:
    """The data at one precision."""

    blocks: list[_Block]
    decay: Any
    pure: Any


class BallRisk:
    """F on some samples, for networks of one shape.

    Parameters
    ----------
    samples : Samples
    network : RationalNetwork
        Whose shape and activation they have.
    weight_decay : Fraction
        lambda.

    Raises
    ------
    MissingDependencyError
        Without python-flint (the extra `proof`).

    Notes
    -----
    A vector of parameters is a list of balls in the order of `vector`. Methods work inside a block of `precisely`,
    which sets the precision. Where a sample lies on a kink of the activation, derivatives that it enters are
    NaN.
    """

    def __init__(self, samples: Samples, network: RationalNetwork, weight_decay: Fraction) -> None:
        formula = network.activation.formula
        self.series, self.balls = Series(formula), Balls(formula)
        self.flint = import_optional("flint", extra="proof", purpose="ball arithmetic")
        self.samples, self.network, self.weight_decay = samples, network, weight_decay
        self.n, self.d1 = network.n_features + 1, network.width
        self._huge, self._tiny = self.flint.arb((1, _EXPONENT)), self.flint.arb((1, -_EXPONENT))
        self._at_bits: dict[int, _Held] = {}
        self._held: _Held | None = None

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.d1 * (self.n + 1) + 1

    @contextmanager
    def precisely(self, bits: int = PRECISION) -> Iterator[None]:
        """Balls carry this many bits while the block runs."""
        before = self._held
        with self.flint.ctx.workprec(bits):
            if bits not in self._at_bits:
                self._at_bits[bits] = self._data()
            self._held = self._at_bits[bits]
            try:
                yield
            finally:
                self._held = before

    def _data(self) -> _Held:
        blocks = []
        for start in range(0, len(self.samples), _ROWS):
            X, y, w = self.samples.in_balls(self.flint, slice(start, start + _ROWS))
            rows = X.tolist()
            norms = [sum(v * v for v in row).sqrt().abs_upper() for row in rows]
            blocks.append(_Block(start, X, rows, y, w, norms))
        return _Held(blocks, self.ball(self.weight_decay), self.ball(self.samples.pure))

    @property
    def held(self) -> _Held:
        """The data at the precision that is set."""
        assert self._held is not None, "inside a block of `precisely`"
        return self._held

    def ball(self, value: Fraction) -> Any:
        """A ball that holds a rational."""
        return self.flint.arb(self.flint.fmpq(value.numerator, value.denominator))

    def point(self, values: Sequence[Fraction]) -> list[Any]:
        """A vector of parameters."""
        return [self.ball(value) for value in values]

    def edges(self, x: Any) -> tuple[Fraction, Fraction]:
        """Rationals below and above everything in a ball.

        Exponents of balls have no end, and those of e^(-t^2) fill memory as rationals: below 2^-4096 in size an edge goes
        outward to 0 or to that.

        Raises
        ------
        ActivationError
            What is not finite, or beyond 2^4096.
        """
        if not (x.is_finite() and x.abs_upper() < self._huge):
            raise ActivationError("an enclosure has no bounds")
        low, high = x.lower(), x.upper()
        zero, outward = Fraction(0), 2 * _TINY
        below = self.balls.edges(low)[0] if low.abs_lower() > self._tiny else zero if low >= 0 else -outward
        above = self.balls.edges(high)[1] if high.abs_lower() > self._tiny else zero if high <= 0 else outward
        return below, above

    def middle(self, x: Any) -> Any:
        """The midpoint of a ball, or 0 where that is below what `edges` holds."""
        middle = x.mid()
        return middle if abs(middle) > self._tiny else self.flint.arb(0)

    def exact(self, theta: Sequence[Any]) -> list[Fraction]:
        """Balls made by `middle` as the rational numbers that they are; ActivationError beyond 2^4096."""
        return [self.edges(ball)[0] for ball in theta]

    # ---- values ----------------------------------------------------------------------------------------------

    def outputs(self, theta: Sequence[Any]) -> list[Any]:
        """f(x_g)."""
        return [f for block in self.held.blocks for f in self._outputs(block, theta)]

    def residuals(self, theta: Sequence[Any]) -> list[Any]:
        """f(x_g) - ybar_g."""
        targets = (y for block in self.held.blocks for y in block.y)
        return [f - y for f, y in zip(self.outputs(theta), targets, strict=True)]

    def risk(self, theta: Sequence[Any]) -> Any:
        """F."""
        weights = (w for block in self.held.blocks for w in block.w)
        squares = sum(w * gap * gap for w, gap in zip(weights, self.residuals(theta), strict=True))
        return (squares + self.held.decay * sum(v * v for v in theta)) / 2 + self.held.pure

    def fall(self, old: Sequence[Any], new: Sequence[Any]) -> Any:
        """F at one point minus F at another, from differences, so that little cancels."""
        weights = (w for block in self.held.blocks for w in block.w)
        before, after = self.residuals(old), self.residuals(new)
        fell = sum(w * (a - b) * (a + b) for w, a, b in zip(weights, before, after, strict=True))
        return (fell + self.held.decay * sum((a - b) * (a + b) for a, b in zip(old, new, strict=True))) / 2

    # ---- derivatives -----------------------------------------------------------------------------------------

    def gradient(self, theta: Sequence[Any]) -> list[Any]:
        """grad F, at a point or over the balls of `theta`."""
        found = [self.held.decay * v for v in theta]
        for block in self.held.blocks:
            part = self._gradient(block, self._layer(block, theta), theta)
            found = [a + b for a, b in zip(found, part, strict=True)]
        return found

    def norm(self, vector: Sequence[Any]) -> Fraction:
        """An upper bound on the Euclidean norm.

        Raises
        ------
        ActivationError
            Where nothing is known of an entry.
        """
        # squares of balls about 0 reach below 0; those of their largest magnitudes do not
        largest = [v.abs_upper() for v in vector]
        return self.edges(sum((v * v for v in largest), self.flint.arb(0)).sqrt())[1]

    def hessian(self, theta: Sequence[Any], radius: Any = 0) -> Any:
        """hess F as an arb_mat: over the Euclidean ball of this radius about exact parameters, or at them."""
        H = self.flint.arb_mat(self.size, self.size)
        wide = self._widened(theta, radius)
        for block in self.held.blocks:
            layer = self._layer(block, theta, radius)
            J = self._jacobian(block, layer, wide)
            weighted = [[w * v for v in row] for w, row in zip(block.w, J, strict=True)]
            H += self.flint.arb_mat(J).transpose() * self.flint.arb_mat(weighted)
            self._add_bends(H, block, layer, self._weights(wide))
        for j in range(self.size):
            H[j, j] += self.held.decay
        return H

    def jacobian(self, theta: Sequence[Any], radius: Any = 0) -> list[list[Any]]:
        """J (n_samples x parameters) by rows, over a ball as for `hessian`."""
        wide = self._widened(theta, radius)
        return [
            row
            for block in self.held.blocks
            for row in self._jacobian(block, self._layer(block, theta, radius), wide)
        ]

    def kinks(self, theta: Sequence[Any], radius: Any = 0) -> list[tuple[int, int]]:
        """(unit, sample) where h has no second derivative that is known, over a ball as for `hessian`."""
        found = []
        for block in self.held.blocks:
            for at, second in enumerate(self._layer(block, theta, radius).second):
                if not second.is_finite():
                    found.append((at % self.d1, int(self.samples.first[block.start + at // self.d1])))
        return found

    # ---- parts -----------------------------------------------------------------------------------------------

    def _weights(self, theta: Sequence[Any]) -> Sequence[Any]:
        return theta[self.d1 * self.n : self.d1 * (self.n + 1)]

    def _widened(self, theta: Sequence[Any], radius: Any) -> list[Any]:
        return [v + self.flint.arb(0, 1) * radius for v in theta] if radius else list(theta)

    def _before(self, block: _Block, theta: Sequence[Any]) -> list[Any]:
        """z, sample by sample."""
        u = self.flint.arb_mat(self.d1, self.n, list(theta[: self.d1 * self.n]))
        found: list[Any] = (block.X * u.transpose()).entries()
        return found

    def _outputs(self, block: _Block, theta: Sequence[Any]) -> list[Any]:
        return self._combined(self.series.values(self._before(block, theta)), theta)

    def _combined(self, value: list[Any], theta: Sequence[Any]) -> list[Any]:
        d1 = self.d1
        a = self.flint.arb_mat(d1, 1, list(self._weights(theta)))
        return [v + theta[-1] for v in (self.flint.arb_mat(len(value) // d1, d1, value) * a).entries()]

    def _layer(self, block: _Block, theta: Sequence[Any], radius: Any = 0) -> _Layer:
        z = self._before(block, theta)
        if not radius:
            value, first, second = self.series.jets(z)
            f = self._combined(value, theta)
        else:
            # |<u - u~, x~>| <= radius |x~|: less than the box around the ball allows
            reach = [radius * norm for norm in block.norms for _ in range(self.d1)]
            value, first, second = self.series.jets_around(z, reach)
            f = self._outputs_around(block, theta, radius, value, first)
        G = [w * (v - y) for w, v, y in zip(block.w, f, block.y, strict=True)]
        return _Layer(value, first, second, G)

    def _outputs_around(
        self, block: _Block, theta: Sequence[Any], radius: Any, value: list[Any], first: list[Any]
    ) -> list[Any]:
        """f over the ball: its values at the centre, and radius times the largest gradient."""
        unit, d1 = self.flint.arb(0, 1), self.d1
        a = [v.abs_upper() + radius for v in self._weights(theta)]
        found = []
        for i, (f, norm) in enumerate(zip(self._outputs(block, theta), block.norms, strict=True)):
            square = self.flint.arb(1)
            for k in range(d1):
                h, slope = value[i * d1 + k].abs_upper(), a[k] * first[i * d1 + k].abs_upper() * norm
                square += h * h + slope * slope
            found.append(f + unit * (radius * square.sqrt()))
        return found

    def _gradient(self, block: _Block, layer: _Layer, theta: Sequence[Any]) -> list[Any]:
        count, d1, arb_mat = len(block.y), self.d1, self.flint.arb_mat
        a = self._weights(theta)
        pushed = [[layer.G[i] * a[k] * layer.first[i * d1 + k] for k in range(d1)] for i in range(count)]
        u = (arb_mat(pushed).transpose() * block.X).entries()
        weights = (arb_mat(count, d1, layer.value).transpose() * arb_mat(count, 1, layer.G)).entries()
        return [*u, *weights, sum(layer.G, self.flint.arb(0))]

    def _jacobian(self, block: _Block, layer: _Layer, theta: Sequence[Any]) -> list[list[Any]]:
        d1, a = self.d1, self._weights(theta)
        one = self.flint.arb(1)
        found = []
        for i, x in enumerate(block.rows):
            at = i * d1
            row = [factor * v for factor in (a[k] * layer.first[at + k] for k in range(d1)) for v in x]
            found.append([*row, *layer.value[at : at + d1], one])
        return found

    def _add_bends(self, H: Any, block: _Block, layer: _Layer, a: Sequence[Any]) -> None:
        """sum G hess f."""
        count, n, d1, arb_mat = len(block.y), self.n, self.d1, self.flint.arb_mat
        across = block.X.transpose()
        for k in range(d1):
            bend = [layer.G[i] * a[k] * layer.second[i * d1 + k] for i in range(count)]
            square = across * arb_mat([[c * v for v in row] for c, row in zip(bend, block.rows, strict=True)])
            slope = [[layer.G[i] * layer.first[i * d1 + k]] for i in range(count)]
            mixed = (across * arb_mat(slope)).entries()
            at, column = k * n, d1 * n + k
            for p in range(n):
                for q in range(n):
                    H[at + p, at + q] += square[p, q]
                H[at + p, column] += mixed[p]
                H[column, at + p] += mixed[p]
