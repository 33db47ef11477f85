"""All exact numbers of a proof in one pass over the data, in blocks: memory does not grow with the rows.

(a) A block is written as columns; preactivations come with error bounds, integers decide where these are too weak.
(b) Rows are grouped by the signs of the hidden units of all networks together, and every group has a Gram state of
    its own, so each row enters one Gram matrix. Those of all rows, and of the patterns of one network, are sums.
(c) The same columns give the certified radius of a network whose preactivations are claimed to be positive, and the
    same rows the digests of the data.
(d) Nothing in the result depends on the blocks or on who merged what, except that a merged pass has lost the digest
    that knows the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastminima.kernels import _patterns
from fastminima.system.first_use import cached_property

from .affine import Columns, check_rows
from .digest import DataDigests, Digests
from .digits import Scratch, ends_of
from .dyadic import Floats, Ints
from .gram import PAD, ExactGram, GramState, add_numerators, into_columns, rescaled
from .margin import MarginState
from .pieces import NetworkMoments, Pieces, Slope
from .signs import Filter, block_rows

__all__ = ["ExactPass", "NetworkNumbers", "PassNetwork", "PassResult", "exact_moments"]


@dataclass(frozen=True)
class PassNetwork:
    """A network b2 + W2 h(W1 x + b1) to be measured.

    Attributes
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64
    W2 : (d1,) float64 or Fractions
    b2 : float or Fraction
    s_plus, s_minus : float or Fraction
        Slopes of the activation.
    positive : bool
        Claimed: all preactivations are positive on the data. Asks for the exact answer and the certified radius.
    """

    W1: Floats
    b1: Floats
    W2: Floats | Sequence[Slope]
    b2: Slope
    s_plus: Slope
    s_minus: Slope
    positive: bool = False

    @classmethod
    def of(cls, network: Any) -> PassNetwork:
        """A network that has `parameters()` and `slopes`, as `OneHiddenLayer` with a piecewise linear activation has."""
        return cls(*network.parameters(), *network.slopes)


@dataclass(frozen=True)
class NetworkNumbers:
    """Exact numbers of one network.

    Attributes
    ----------
    moments : NetworkMoments
        Sign patterns, samples of each, affine pieces and Gram matrices.
    b2 : float or Fraction
        Output bias.
    positive : bool or None
        Whether all exact preactivations are positive; None if not asked.
    radius : float or None
        Largest float64 not above min over samples i and units k of z_k(x_i) / |(x_i, 1)|; 0.0 if some
        preactivation is not positive, inf without hidden units; None if not asked.
    """

    moments: NetworkMoments
    b2: Slope
    positive: bool | None
    radius: float | None

    @cached_property
    def risk(self) -> Fraction:
        """Half the (weighted) sum of (f - y)**2."""
        return self.moments.risk(self.b2)

    @property
    def patterns(self) -> list[tuple[int, ...]]:
        """Signs of the hidden units, one tuple per pattern."""
        return self.moments.patterns

    @property
    def counts(self) -> list[int]:
        """Samples of each pattern."""
        return self.moments.counts

    @property
    def pieces(self) -> list[list[Fraction]]:
        """f - y without output bias as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y), one per pattern."""
        return self.moments.forms


@dataclass(frozen=True)
class PassResult:
    """What one pass over the data found.

    Attributes
    ----------
    n_samples : int
    gram : ExactGram
        Of (1, x_1, ..., x_dx, y) over all rows.
    networks : tuple of NetworkNumbers
        In the order of the networks given.
    digests : DataDigests or None
    """

    n_samples: int
    gram: ExactGram
    networks: tuple[NetworkNumbers, ...]
    digests: DataDigests | None


class _Stacked:
    """The units of all networks that the pass has to look at, network by network."""

    def __init__(self, networks: Sequence[PassNetwork], n_features: int) -> None:
        self.pieces = [
            Pieces(net.W1, net.b1, net.W2, net.s_plus, net.s_minus, n_features) for net in networks
        ]
        rows, biases = [np.empty((0, n_features))], [np.empty(0)]
        keys: list[int] = []
        self.begin: list[int] = []
        total = 0
        for net, pieces in zip(networks, self.pieces, strict=True):
            # a positive network needs all its units, any other those whose sign matters
            units = list(range(len(pieces.b1))) if net.positive else pieces.bending
            self.begin.append(total)
            place = {unit: total + i for i, unit in enumerate(units)}
            keys += [place[k] for k in pieces.bending]
            rows.append(pieces.W1[units])
            biases.append(pieces.b1[units])
            total += len(units)
        self.W1, self.b1 = np.concatenate(rows), np.concatenate(biases)
        self.keys = np.array(keys, dtype=np.int64)
        self.words = -(-len(keys) // 64)


class ExactPass:
    """Exact moments, risks, radii and digests of a stream: a small state with `update` and `merge`.

    Parameters
    ----------
    n_features : int
    networks : sequence of PassNetwork
    weighted : bool, default False
        Whether the rows carry weights.
    scales : sequence of dx + 1 Fractions, optional
        For exact data: column j (y last) is its integers times scales[j], and X, y are rounded views.
    digests : bool, default True
    total : ExactGram, optional
        Of all rows, if it is known: the largest pattern of the first block then costs nothing. Such a pass cannot
        be merged.
    variant : int, optional
        Instruction set; default the widest. The result is the same for all.

    Raises
    ------
    NetworkError
        If the shapes of a network do not fit the data or a parameter is not finite.
    """

    def __init__(
        self,
        n_features: int,
        networks: Sequence[PassNetwork],
        weighted: bool = False,
        *,
        scales: Sequence[Fraction] | None = None,
        digests: bool = True,
        total: ExactGram | None = None,
        variant: int = _patterns.BEST_VARIANT,
    ) -> None:
        self._n_features, self._weighted, self._variant = n_features, weighted, variant
        self._networks = list(networks)
        self._stacked = stacked = _Stacked(networks, n_features)
        self._scales = scales
        self._digests = Digests(variant) if digests else None
        self._margins = [
            MarginState(pieces.W1, pieces.b1) if net.positive else None
            for net, pieces in zip(self._networks, stacked.pieces, strict=True)
        ]
        self._states: dict[bytes, GramState] = {}
        self._total, self._left_out = total, None if total is None else b""
        self._counts: dict[bytes, int] = {}
        n = n_features + 2 + weighted
        rows = block_rows(2 * n, len(stacked.b1))
        self._rows = rows
        self._filter = Filter(stacked.W1, stacked.b1, scales is not None, rows, variant)
        self._scratch = Scratch()
        self._block, self._grouped = np.empty((n, rows + PAD)), np.empty((n, rows + PAD))
        self._keys = np.zeros((max(stacked.words, 1), rows), dtype=np.uint64)
        self._doubtful = np.zeros(rows, dtype=np.uint8)
        self._table = np.empty(1 << (2 * rows).bit_length(), dtype=np.int32)
        self._ids, self._order = np.empty(rows, dtype=np.int32), np.empty(rows, dtype=np.int32)
        self._first, self._sizes, self._ends = (np.empty(rows, dtype=np.int64) for _ in range(3))

    @property
    def n_samples(self) -> int:
        """Rows so far."""
        return sum(self._counts.values())

    def update(
        self, X: Floats, y: Floats, weight: Floats | None = None, numerators: Sequence[Ints] | None = None
    ) -> None:
        """Add rows.

        Parameters
        ----------
        X : (k, dx) float64, finite
        y : (k,) float64, finite
        weight : (k,) float64 > 0, in every update of a weighted pass and no other
        numerators : dx + 1 object arrays (k,) of Python integers, y last; for exact data

        Raises
        ------
        DataError
            If a number is not finite, or the arrays do not fit together.
        """
        if self._weighted != (weight is not None):
            raise ValueError("a weighted ExactPass takes weights in every update, an unweighted one in none")
        if (self._scales is not None) != (numerators is not None):
            raise ValueError("an ExactPass with scales takes numerators in every update, one without in none")
        check_rows(X, y, weight, self._n_features)
        exact = None if numerators is None else SimpleNamespace(numerators=numerators, scales=self._scales)
        columns = Columns(SimpleNamespace(X=X, y=y, sample_weight=weight, exact=exact))
        for begin in range(0, len(y), self._rows):
            self._add(columns.take(slice(begin, begin + self._rows)))

    def _add(self, columns: Columns) -> None:
        count = columns.n_samples
        into_columns(columns.X, columns.y, columns.weight, self._block)
        if columns.exact is None:
            # refuses NaN and inf before anything is counted; views of exact data may be inf
            ends_of(self._block, 0, count, self._n_features + 2, self._variant)
        self._digest(columns)
        stacked, filter_ = self._stacked, self._filter
        filter_.evaluate(self._block, count)
        for margin, begin in zip(self._margins, stacked.begin, strict=True):
            if margin is not None:
                end = begin + len(margin.b1)
                if end > begin:
                    margin.offer(columns, *filter_.margins(self._block, count, begin, end))
        filter_.keys(columns, stacked.keys, self._keys, self._doubtful)
        table = self._table[: 1 << (2 * count).bit_length()]
        found = _patterns.equal_keys(self._keys, count, table, self._ids, self._first, self._sizes)
        block = self._block
        if found > 1:
            block = self._grouped
            _patterns.grouped_columns(
                self._block, count, self._ids, self._sizes, found, self._ends, self._order, block
            )
        else:
            self._ends[0], self._order[:count] = count, np.arange(count)
        if self._left_out == b"":
            largest = int(self._first[np.argmax(self._sizes[:found])])
            self._left_out = self._keys[:, largest].tobytes()
        begin = 0
        for group in range(found):
            key = self._keys[:, self._first[group]].tobytes()
            end = int(self._ends[group])
            self._counts[key] = self._counts.get(key, 0) + end - begin
            if key != self._left_out:
                self._gather(key, columns, block, begin, end)
            begin = end

    def _digest(self, columns: Columns) -> None:
        if self._digests is None:
            return
        if columns.exact is None:
            self._digests.update(columns.X, columns.y, columns.weight)
            return
        exact = columns.exact
        self._digests.update_numerators(exact.numerators, exact.scales, columns.weight)

    def _state(self) -> GramState:
        return GramState(self._n_features, self._weighted, self._scratch, self._variant)

    def _gather(self, key: bytes, columns: Columns, block: Floats, begin: int, end: int) -> None:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = self._state()
        if columns.exact is None:
            state.add_columns(block, begin, end)
            return
        rows = self._order[begin:end]
        weight = None if columns.weight is None else columns.weight[rows]
        add_numerators(state, [c[rows] for c in columns.exact.numerators], weight)

    def merge(self, other: ExactPass) -> None:
        """Add the rows of another pass over the same networks; the other pass keeps its value."""
        if self._total is not None or other._total is not None:
            raise ValueError("a pass that was given the Gram matrix of all rows cannot be merged")
        for key, state in other._states.items():
            if key not in self._states:
                self._states[key] = self._state()
            self._states[key].merge(state)
            self._counts[key] = self._counts.get(key, 0) + other._counts[key]
        for mine, theirs in zip(self._margins, other._margins, strict=True):
            if mine is not None and theirs is not None:
                mine.merge(theirs)
        if self._digests is not None and other._digests is not None:
            self._digests.merge(other._digests)

    def result(self) -> PassResult:
        """The numbers of all rows so far."""
        gram = self._sum(self._states) if self._total is None else self._total
        signs = {key: self._signs(key) for key in self._counts}
        numbers = []
        start = 0
        for net, pieces, margin in zip(self._networks, self._stacked.pieces, self._margins, strict=True):
            stop = start + len(pieces.bending)
            parts: dict[tuple[int, ...], list[bytes]] = {}
            for key, sign in signs.items():
                parts.setdefault(pieces.pattern(sign[start:stop]), []).append(key)
            start = stop
            patterns = sorted(parts)
            grams = [self._part(parts[p], gram) for p in patterns]
            counts = [sum(self._counts[key] for key in parts[p]) for p in patterns]
            moments = NetworkMoments(patterns, counts, [pieces.form(p) for p in patterns], grams)
            numbers.append(
                NetworkNumbers(
                    moments,
                    net.b2,
                    None if margin is None else margin.positive,
                    None if margin is None else margin.radius,
                )
            )
        digests = None if self._digests is None else self._digests.result()
        return PassResult(self.n_samples, gram, tuple(numbers), digests)

    def _signs(self, key: bytes) -> list[bool]:
        bits = np.frombuffer(key, dtype=np.uint64).tolist()
        return [bool(bits[k // 64] >> k % 64 & 1) for k in range(len(self._stacked.keys))]

    def _sum(self, keys: Iterable[bytes]) -> ExactGram:
        states = [self._states[key] for key in keys]
        if len(states) == 1:
            total = states[0]
        else:
            total = self._state()
            for state in states:
                total.merge(state)
        gram = total.result()
        return gram if self._scales is None else rescaled(gram, self._scales)

    def _part(self, keys: list[bytes], gram: ExactGram) -> ExactGram:
        """Gram matrix of the rows with these keys; by difference if they include the ones left out."""
        if len(keys) == len(self._counts):
            return gram
        if self._left_out not in keys:
            return self._sum(keys)
        return gram - self._sum([key for key in self._counts if key not in keys])


def exact_moments(
    data: Any,
    networks: Sequence[PassNetwork],
    *,
    digests: bool = True,
    total: ExactGram | None = None,
) -> PassResult:
    """The exact numbers of a dataset in memory, in one pass.

    Parameters
    ----------
    data : dataset with X (m, dx), y (m,), sample_weight None | (m,) > 0, exact None | exact columns
    networks : sequence of PassNetwork
    digests : bool, default True
    total : ExactGram, optional
        Of the same data, if it is known already.

    Returns
    -------
    PassResult
    """
    columns = data if isinstance(data, Columns) else Columns(data)
    exact = columns.exact
    scales = None if exact is None else [Fraction(s) for s in exact.scales]
    state = ExactPass(
        columns.n_features,
        networks,
        columns.weight is not None,
        scales=scales,
        digests=digests,
        total=total,
    )
    numerators = None if exact is None else [np.asarray(c, dtype=object) for c in exact.numerators]
    state.update(columns.X, columns.y, columns.weight, numerators)
    return state.result()
