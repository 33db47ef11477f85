"""A lower bound on the least cross entropy of an affine map, and the proof that it is reached: a sum of entropies.

L(f) = sum_i w_i (ln sum_j exp f_j(x_i) - <t_i, f(x_i)>) over affine f. For any p_i on the simplex, of classes that f may
choose from, with

    G = sum_i w_i (p_i - t_i) (1, x_i)^T = 0    exactly,

(a) L(f) >= sum_i w_i entropy(p_i): ln sum exp f >= <p, f> + entropy(p) (Fenchel and Young), and the rest is <G, f> = 0.
(b) If p_ij > 0 for all classes j of all samples, L is reached: sum_i w_i sum_j p_ij (f_y(x_i) - f_j(x_i)) = -<G, f> = 0 for
    every f whose margins are >= 0, so they all are 0, and no direction leads down for ever (Stiemke).
(c) sum_i w_i |p_i - p*_i|^2 <= 2 (L* - bound), p* the probabilities at the minimum and | | the sum of sizes: L* - bound
    is sum_i w_i KL(p_i | p*_i), by Pinsker at least half of that.
The p of a float minimiser leave a G of rounding errors. Newton's steps p -> p - M (B lambda), M the covariance of the
classes and lambda in floats, take it down to a share of 2^-120; what is left goes into so many pairs of
classes, one at each of some samples, as G has dimensions, by one exact solution. (a) asks for G = 0 alone, and that is
verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.exact.dyadic import Ints, power_of_two, to_integers
from fastminima.exact.entropy import entropy
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.modular import solve_square

from .affine_optimum import weighed
from .float_fit import newton_step

__all__ = ["CrossEntropy", "DualPoint", "dual_point"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pairs = NDArray[np.intp]

_BITS = 256
_UNIT = power_of_two(-_BITS)
_STEPS = 12
# a rest of G of this share of all weights changes the bound by its square: nothing beside what rounding a network adds
_SMALL = 2.0**-120
# pairs among which so many as needed are chosen
_MOST_PAIRS = 4_000
_DEPENDENT = 1e-11


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """L over affine maps of independent columns.

    Attributes
    ----------
    table : RationalMatrix, (m, d)
        Independent columns of (1, x).
    B, C : (m, r), (d, r)
        B = table C with orthonormal columns, in floats.
    targets : RationalMatrix, (m, K)
        Rows of numbers >= 0 that sum to 1.
    weights : list of float or None
    """

    table: RationalMatrix
    B: Floats
    C: Floats
    targets: RationalMatrix
    weights: list[float] | None

    @property
    def weight(self) -> Floats:
        """Of the rows, (m,)."""
        return np.ones(len(self.B)) if self.weights is None else np.array(self.weights)

    def everything(self) -> Bools:
        """All classes of all samples."""
        return np.ones(self.targets.shape, dtype=bool)


@dataclass(frozen=True, eq=False)
class DualPoint:
    """p with G = 0, exactly.

    Attributes
    ----------
    grid : RationalMatrix, (m, K)
        p but for some rows.
    moved : dict of int to list of K Fractions
        Those rows.
    bound : Fraction
        The sum of entropies, from below.
    """

    grid: RationalMatrix
    moved: dict[int, list[Fraction]]
    bound: Fraction

    @classmethod
    def of(
        cls, grid: RationalMatrix, moved: dict[int, list[Fraction]], weights: list[float] | None
    ) -> DualPoint:
        """With its bound."""
        stay = [i for i in range(grid.shape[0]) if i not in moved]
        low = Fraction(0)
        rest = RationalMatrix(grid.numerators[stay], grid.scale)
        low += entropy(rest, None if weights is None else [weights[i] for i in stay])[0]
        for i, row in moved.items():
            low += entropy(RationalMatrix.of([row]), None if weights is None else [weights[i]])[0]
        return cls(grid, moved, low)

    def rows(self) -> Rationals:
        """p."""
        found = self.grid.rows()
        for i, row in self.moved.items():
            found[i] = row
        return found

    def distance(self, row: int) -> Fraction:
        """Between p and the grid at a row: the sum of the sizes of the differences."""
        if row not in self.moved:
            return Fraction(0)
        there = [int(v) * self.grid.scale for v in self.grid.numerators[row]]
        return sum((abs(a - b) for a, b in zip(self.moved[row], there, strict=True)), Fraction(0))


def dual_point(problem: CrossEntropy, p: Floats, allowed: Bools) -> DualPoint | None:
    """A point near the probabilities of a float minimiser, 0 at classes that are not allowed and above 0 at the others.

    None where none was found: the minimum is not reached, or floats are too far from it.
    """
    heavy = weighed(problem.table, problem.weights)
    numerators, G = _nearest(problem, heavy, p, allowed)
    if not bool((numerators[allowed] > 0).all()):
        return None
    moved: dict[int, list[Fraction]] = {}
    if G.any():
        found = _moved(problem, heavy, numerators, G, allowed)
        if found is None:
            return None
        moved = found
    if any(v <= 0 for i, row in moved.items() for v, a in zip(row, allowed[i], strict=True) if a):
        return None
    return DualPoint.of(RationalMatrix(numerators, _UNIT), moved, problem.weights)


def _nearest(
    problem: CrossEntropy, heavy: RationalMatrix, p: Floats, allowed: Bools
) -> tuple[Ints, RationalMatrix]:
    """p on the grid after Newton's steps, and what is left of G, (K, d)."""
    top = np.argmax(p, axis=1)
    numerators = np.where(allowed, np.maximum(_ints(p), 1), 0)
    _settle(numerators, top)
    C, weight = RationalMatrix.of_floats(problem.C), problem.weight
    best: tuple[Ints, RationalMatrix] | None = None
    last = np.inf
    for _ in range(_STEPS):
        G = (RationalMatrix(numerators, _UNIT) - problem.targets).T @ heavy
        left = (G @ C).rounded().T
        size = float(np.abs(left).max(initial=0.0))
        if not size < 0.5 * last:
            break
        best, last = (numerators, G), size
        if size <= _SMALL * float(weight.sum()):
            break
        step = newton_step(problem.B, p, weight, left[:, :-1])
        s = problem.B @ np.column_stack([step, np.zeros(len(step))])
        change = p * (s - (p * s).sum(axis=1, keepdims=True))
        numerators = numerators - np.where(allowed, _ints(change), 0)
        _settle(numerators, top)
    assert best is not None
    return best


def _ints(values: Floats) -> Ints:
    """In units of the grid."""
    with np.errstate(under="ignore"):
        integers, power = to_integers(np.rint(values * 2.0**_BITS).ravel())
    return np.asarray(integers << power).reshape(values.shape)


def _settle(numerators: Ints, top: Pairs) -> None:
    """Rows sum to 1: the largest class takes what is missing."""
    rows = np.arange(len(top))
    numerators[rows, top] += (1 << _BITS) - numerators.sum(axis=1)


def _moved(
    problem: CrossEntropy, heavy: RationalMatrix, numerators: Ints, G: RationalMatrix, allowed: Bools
) -> dict[int, list[Fraction]] | None:
    """Rows that take the rest of G; None where these classes and samples cannot."""
    p = RationalMatrix(numerators, _UNIT).rounded()
    reference = p.argmax(axis=1)
    samples, classes = _pairs(problem, p, allowed, reference)
    if not len(samples):
        return None
    K, d = G.shape
    system = np.zeros((K, d, len(samples)), dtype=object)
    for c, (i, j) in enumerate(zip(samples, classes, strict=True)):
        system[j, :, c] += heavy.numerators[i]
        system[reference[i], :, c] -= heavy.numerators[i]
    flat = system.reshape(K * d, -1)
    equations = _equations(problem, samples, classes, reference, K)
    found = solve_square(flat[equations], -G.numerators.reshape(K * d, 1)[equations])
    if found is None:
        return None
    Z, (denominator,) = found
    unit = G.scale / heavy.scale / denominator
    moved: dict[int, list[Fraction]] = {}
    for i, j, z in zip(samples.tolist(), classes.tolist(), Z[:, 0], strict=True):
        row = moved.setdefault(i, [int(v) * _UNIT for v in numerators[i]])
        row[j] += int(z) * unit
        row[reference[i]] -= int(z) * unit
    rows = list(moved)
    change = RationalMatrix.of(list(moved.values())) - RationalMatrix(numerators[rows], _UNIT)
    left = change.T @ RationalMatrix(heavy.numerators[rows], heavy.scale) + G
    return None if left.any() else moved


def _pairs(problem: CrossEntropy, p: Floats, allowed: Bools, reference: Pairs) -> tuple[Pairs, Pairs]:
    """(samples, classes): independent moves from the likeliest class to another, likely ones first."""
    m, K = p.shape
    free = allowed.copy()
    free[np.arange(m), reference] = False
    samples, classes = np.nonzero(free)
    size = np.sqrt(p[samples, classes] * p[samples, reference[samples]])
    strength = size * np.linalg.norm(problem.B[samples], axis=1)
    if len(samples) > _MOST_PAIRS:
        keep = np.argsort(-strength, kind="stable")[:_MOST_PAIRS]
        samples, classes, size = samples[keep], classes[keep], size[keep]
    moves = np.zeros((len(samples), K, problem.B.shape[1]))
    rows = np.arange(len(samples))
    moves[rows, classes] += size[:, None] * problem.B[samples]
    moves[rows, reference[samples]] -= size[:, None] * problem.B[samples]
    chosen = _independent(moves.reshape(len(samples), -1))
    return samples[chosen], classes[chosen]


def _equations(problem: CrossEntropy, samples: Pairs, classes: Pairs, reference: Pairs, K: int) -> Pairs:
    """As many independent equations as there are moves."""
    table = problem.table.rounded()
    scale = np.abs(table).max(axis=0, initial=0.0)
    rows = table[samples] / np.where(scale > 0.0, scale, 1.0)
    system = np.zeros((K, rows.shape[1], len(samples)))
    columns = np.arange(len(samples))
    system[classes, :, columns] += rows
    system[reference[samples], :, columns] -= rows
    flat = system.reshape(K * rows.shape[1], -1)
    order = scipy.linalg.qr(flat.T, mode="r", pivoting=True)[1]
    return np.sort(order[: len(samples)])


def _independent(rows: Floats) -> Pairs:
    """Independent rows, of well-conditioned ones the largest first."""
    if not len(rows):
        return np.zeros(0, dtype=np.intp)
    _, S, V = np.linalg.svd(rows, full_matrices=False)
    keep = _DEPENDENT * S.max(initial=0.0) < S
    # in coordinates in which all directions count alike
    order = scipy.linalg.qr((rows @ (V[keep].T / S[keep])).T, mode="r", pivoting=True)[1]
    return np.asarray(order[: int(keep.sum())], dtype=np.intp)
