"""The source every reader gets: which columns, categories, missing values, weights, and blocks cut by rows.

A `Reader` knows one kind of file or object and hands out its columns as they are. What happens to them is the same
for all: columns are chosen, categories encoded, rows left out, every number checked; and blocks are cut at rows that
do not depend on how the reader cut its pieces.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from fastminima.data.class_labels import Label, label_of, ordered
from fastminima.data.cleaning import LABEL_HINT, level_limit, settled_levels
from fastminima.data.dataset import Dataset, classed
from fastminima.errors import DataError, ReadError, TargetError
from fastminima.system.options import as_count

from .arrays import ArrayReader
from .block_cutter import Cutter, Layout
from .block_source import Block
from .reader import Options, Reader, Tell, fingerprint, labels, silent, stamp_of

__all__ = ["BLOCK_ROWS", "TableSource"]

BLOCK_ROWS = 4096
_LEVEL_ROWS = 16_384


def _choose(reader: Reader, options: Options) -> tuple[Layout, dict[str, str]]:
    """The columns that become X, y, w, and why others do not."""
    request = options.request
    # an index behind the other columns is found by name alone
    count = reader.n_columns - len(reader.hidden)
    if any(column < count for column in reader.hidden):
        count = reader.n_columns
    selection = request.select(reader.names, count, reader.name, hidden=reader.hidden)
    label = labels(reader)
    labelled = options.labels and len(selection.targets) == 1
    for column in selection.targets:
        refusal = reader.refused(column)
        if refusal is not None and not (labelled and refusal.encodable):
            hint = LABEL_HINT if refusal.encodable and not options.labels else ""
            hint = "; labels of classes are one column" if refusal.encodable and options.labels else hint
            raise TargetError(
                f"{reader.name}: the target column {label(column)!r} is {refusal.reason}, not numeric{hint}"
            )
    weight = selection.weight
    refusal = None if weight is None else reader.refused(weight)
    if refusal is not None and weight is not None:
        raise ReadError(
            f"{reader.name}: the sample_weight column {label(weight)!r} is {refusal.reason}, not numeric"
        )
    features, texts, rejected, wrong = [], [], {}, []
    encode = options.categories == "onehot"
    for column in selection.features:
        refusal = reader.refused(column)
        if refusal is None:
            features.append(column)
        elif encode and refusal.encodable:
            features.append(column)
            texts.append(column)
        elif request.features is None:
            rejected[label(column)] = refusal.reason
        else:
            wrong.append((column, refusal))
    if wrong:
        text = ", ".join(f"{label(column)!r} ({refusal.reason})" for column, refusal in wrong)
        hint = "; categories='onehot' encodes text" if any(r.encodable for _, r in wrong) else ""
        raise ReadError(f"{reader.name}: features that are not numeric: {text}{hint}")
    return Layout(replace(selection, features=tuple(features)), tuple(texts), labelled=labelled), rejected


class TableSource:
    """A `BlockSource` over any `Reader`.

    Parameters
    ----------
    reader : Reader
    options : Options
    data : Dataset, optional
        What the reader reads, all of it.

    Raises
    ------
    TargetError, ReadError
        No such columns, or columns of the wrong kind asked for by name.
    """

    def __init__(self, reader: Reader, options: Options, data: Dataset | None = None) -> None:
        self._reader, self._options, self._data = reader, options, data
        self._layout, self._rejected = _choose(reader, options)
        if self._layout.labelled and hasattr(reader, "labels"):
            # text, of which the first value does not say what a column of labels is
            self._reader = replace(cast(Any, reader), labels=frozenset(self._layout.selection.targets))
        self.counts: dict[str, int] = {}
        self._prepared = False
        self._files = reader.files
        self.stamp = stamp_of(self._files)

    # --- what the protocol asks for ---------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the report calls the dataset."""
        return self._reader.name

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns of X; encoded categories are called "column=level"."""
        names, layout = self._reader.names, self._layout
        if names is None and not layout.texts:
            return None
        result: list[str] = []
        for column in layout.selection.features:
            own = str(column) if names is None else names[column]
            if column in layout.texts:
                result += [f"{own}={level}" for level in layout.levels.get(column, ())[1:]]
            else:
                result.append(own)
        return tuple(result)

    @property
    def target_name(self) -> str | None:
        """Name of the target column; None where there are several."""
        names = self.target_names
        return names[0] if names is not None and len(names) == 1 else None

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """Names of the target columns."""
        names = self._reader.names
        return None if names is None else tuple(names[c] for c in self._layout.selection.targets)

    @property
    def n_targets(self) -> int:
        """dy."""
        return self._layout.n_targets

    @property
    def n_features(self) -> int:
        """dx, categories encoded."""
        return self._layout.n_features

    @property
    def weighted(self) -> bool:
        """Are there sample weights?"""
        return self._layout.selection.weight is not None

    @property
    def n_rows(self) -> int | None:
        """Rows before any is left out; None when only a pass can tell."""
        return self._reader.n_rows

    @property
    def seekable(self) -> bool:
        """Can `blocks` start anywhere cheaply?"""
        return self._reader.seekable

    @property
    def token(self) -> str:
        """Changes when the data or what is read of them changes."""
        options = self._options
        text = (options.text,) if options.text.given else ()
        return fingerprint(self._reader.token, options.request, options.missing, options.categories, *text)

    @property
    def notes(self) -> dict[str, Any]:
        """What was done to the data: rejected columns, categories, rows left out, values rounded."""
        notes: dict[str, Any] = dict(self._reader.about)
        left = sorted(self._reader.hidden - set(self._layout.selection.columns))
        if left:
            notes["index columns left out"] = [labels(self._reader)(column) for column in left]
        if self._rejected:
            notes["rejected columns"] = dict(self._rejected)
        if self._layout.levels:
            label = labels(self._reader)
            notes["categories"] = {
                label(column): list(texts) for column, texts in self._layout.levels.items()
            }
        return notes | {what: number for what, number in self.counts.items() if number}

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add what another copy of this source counted while it read other rows."""
        for what, number in counts.items():
            self.counts[what] = self.counts.get(what, 0) + number

    @property
    def in_memory(self) -> bool:
        """Do the rows lie in memory already?"""
        return isinstance(self._reader, ArrayReader) and self._reader.in_memory

    @property
    def exact(self) -> bool:
        """Is it a `Dataset` of numbers that float64 cannot hold?"""
        return self._data is not None and self._data.meaning != "binary"

    @property
    def size_bytes(self) -> int | None:
        """Of the files, before or after `prepare`; None in memory, and where only a pass can tell."""
        return self._reader.size_bytes

    def slice(self, start: int, stop: int) -> TableSource:
        """What another process needs to read rows `start` to `stop`: itself, or of rows in memory only those."""
        if not (isinstance(self._reader, ArrayReader) and self._reader.in_memory):
            return self
        part = copy.copy(self)
        part._reader, part._data, part.counts = self._reader.slice(start, stop), None, {}
        return part

    def dataset(self) -> Dataset:
        """All rows as a `Dataset`: the one the source was made from, or float64 arrays, views where possible.

        Raises
        ------
        DataError, ReadError
            As `blocks`, and when no row is left.
        """
        if self._data is not None:
            return self._data
        # all rows are one block
        block = next(iter(self.blocks(rows=max(self.n_rows or 1, 1))), None)
        if block is None:
            raise DataError(f"{self.name}: no row is left; each lacks a value, or has weight 0")
        X, y, w = block
        names, targets = self.feature_names, self.target_names
        data = Dataset(X, y, sample_weight=w, feature_names=names, target_names=targets)
        return classed(data, self._layout.classes) if self._layout.labelled else data

    def check_unchanged(self) -> None:
        """Raise where a file is not what it was when it was opened.

        Raises
        ------
        ReadError
            It was written to, replaced or removed: what was read may be of neither state.
        """
        if stamp_of(self._files) != self.stamp:
            raise ReadError(
                f"{self.name} has changed while it was scanned (a file of it was written to, replaced or removed); scan it "
                "again when nothing writes to it"
            )

    def stamped(self) -> TableSource:
        """A copy for files as they are now: on another machine the same bytes may lie in others."""
        own = copy.copy(self)
        own.stamp = stamp_of(self._files)
        return own

    # --- before the first pass ----------------------------------------------------------------------------

    def prepare(self, folder: str, tell: Tell = silent) -> TableSource:
        """The source with everything settled that blocks depend on: text parsed, category levels known.

        Parameters
        ----------
        folder : str
            Where temporary files may be written; they are needed as long as the source is.
        tell : callable
            Told of (rows done, rows in all or None) while text is parsed or blocks are kept.
        """
        if self._prepared:
            return self
        encode = self._options.categories == "onehot" or self._layout.labelled
        reader = self._reader.prepare(folder, self._layout.selection.columns, encode, tell)
        source = TableSource(reader, self._options, self._data)
        # what is parsed or unpacked stands for the file as it was opened
        source._files, source.stamp = self._files, self.stamp
        source._settle_levels()
        if source._layout.labelled and self._data is None:
            source._layout = replace(source._layout, classes=source._classes())
        source._prepared = True
        return source

    def _settle_levels(self) -> None:
        """Collect the texts of columns that are encoded; columns with too many are no categories."""
        texts, reader = self._layout.texts, self._reader
        if not texts:
            return
        named = self._options.request.features is not None
        limit, label = level_limit(named), labels(reader)
        found = {column: set(reader.levels.get(column, ())) for column in texts}
        unknown = [column for column in texts if column not in reader.levels]
        if unknown:
            for piece in reader.pieces(unknown, 0, None, _LEVEL_ROWS):
                for column, values in zip(unknown, piece, strict=True):
                    if len(found[column]) <= limit:
                        found[column].update(set(values.tolist()) - {None})
        levels, reasons = settled_levels(found, reader.n_rows, named)
        # a column that was asked for may be constant, which the intercept takes up, and nothing else
        lost = [column for column in reasons if len(found[column]) != 1]
        if lost and named:
            raise ReadError(
                f"{self.name}: column {label(lost[0])!r} holds {reasons[lost[0]]}; leave it out, or encode it yourself"
            )
        self._rejected |= {label(c): f"{reason}, no category" for c, reason in reasons.items()}
        selection = self._layout.selection
        features = tuple(column for column in selection.features if column not in reasons)
        self._layout = replace(
            self._layout,
            selection=replace(selection, features=features),
            texts=tuple(levels),
            levels=levels,
        )

    def _classes(self) -> tuple[Label, ...]:
        """The labels of the target, in order; errors as `class_numbers`."""
        (target,), reader = self._layout.selection.targets, self._reader
        role = f"{reader.name}: the target column {labels(reader)(target)!r}"
        if target in reader.levels:
            return ordered(set(reader.levels[target]), role)
        seen: set[Any] = set()
        found: set[Label] = set()
        at = 0
        for piece in reader.pieces([target], 0, None, _LEVEL_ROWS):
            for k, value in enumerate(piece[0].reshape(-1).tolist()):
                if value is None or value != value or value in seen:
                    continue
                seen.add(value)
                label = label_of(value, role, reader.where(at + k))
                found.add(bool(label) if target in getattr(reader, "truth", ()) else label)
            at += len(piece[0])
        return ordered(found, role)

    # --- the pass ---------------------------------------------------------------------------------------

    def blocks(self, start: int = 0, stop: int | None = None, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Iterate over (X, y, w), float64 and C-contiguous, finite, weights positive.

        Parameters
        ----------
        start, stop : int
            Rows of the source, before any is left out.
        rows : int
            A block holds what is left of `rows` rows of the source, so its place does not depend on the pieces
            the reader had. Blocks of which nothing is left are skipped.

        Raises
        ------
        DataError
            A number is missing (missing="fail"), infinite, or a weight is negative; row and column are named.
        ReadError
            The file cannot be read; a column changes its kind.
        """
        rows = as_count(rows, "rows", 1, wanted="at least 1")
        if self.n_rows is not None:
            stop = self.n_rows if stop is None else min(stop, self.n_rows)
            rows = max(1, min(rows, stop - start))
        cutter = Cutter(self._reader, self._layout, rows, self._options.missing == "drop", self.add_counts)
        at = start
        for piece in self._reader.pieces(self._layout.selection.columns, start, stop, rows):
            length, taken = len(piece[0]), 0
            if cutter.filled == 0 and (
                length == rows or (stop is not None and at + length == stop and length < rows)
            ):
                block = cutter.whole(piece, at)
                at += length
                if block is not None:
                    yield block
                continue
            while taken < length:
                take = min(rows - cutter.filled, length - taken)
                cutter.fill([array[taken : taken + take] for array in piece], take)
                taken, at = taken + take, at + take
                if cutter.filled == rows:
                    block = cutter.cut(at - rows)
                    if block is not None:
                        yield block
        if cutter.filled:
            block = cutter.cut(at - cutter.filled)
            if block is not None:
                yield block
