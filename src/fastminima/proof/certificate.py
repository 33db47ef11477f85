"""Certificates: claims as data, in a file that a stranger checks with `check.py` and the standard library.

The text is the same for the same statement about the same data, whoever makes it: fields in a fixed order, rationals in
lowest terms, one claim a line. docs/certificates.md has the schema, docs/proofs.md why accepted claims are theorems.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from fastminima.data.dataset import Block, Dataset
from fastminima.data.file_kind import as_path, shown
from fastminima.errors import CertificateError
from fastminima.exact.digest import DataDigests
from fastminima.exact.shown import digits
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.files import reading, replacing
from fastminima.system.results import Result

from . import check as checker

__all__ = ["Certificate", "block_rows", "data_rows", "network_words", "numbers_line", "word"]

Row = Sequence[float] | Sequence[Fraction]

_FORMAT = "fastminima certificate"
# claims that theorem 1 does not make
_OF_ANY = {"local_minimum", "near_minimum", "lower_point"}


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Result):
    """A list of claims about one dataset, with what a checker needs.

    Attributes
    ----------
    content : dict
        The words of the file; see docs/certificates.md.
    method : "float", "exact" or None
        How the claims were found. The file is the same for either, so a loaded certificate does not know.
    checked : bool
        Has the checker accepted it, in this process, on the data it is about?
    open : tuple of str
        What was asked for and is not among the claims, and why.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> proof = fm.prove(low, fm.better_point(low))
    >>> proof.theorem, proof.meaning, proof.checked
    (1, 'binary', True)
    >>> [claim["claim"] for claim in proof.claims][:3]
    ['least squares', 'no lower risk within', 'lower risk']
    """

    content: dict[str, Any]
    method: str | None = None
    checked: bool = False
    open: tuple[str, ...] = ()
    # how and whether it was checked is of this process, not of the file
    _compared = ("content",)

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The claims, each a dictionary with its name under "claim" (a copy)."""
        return copy.deepcopy(self.content["claims"])

    @property
    def theorem(self) -> int:
        """1, 2 or 4: which kind of network; local minima of any network with one hidden layer are under 1."""
        return int(self.content["theorem"])

    @property
    def meaning(self) -> str:
        """What the numbers of the data mean: "binary", "decimal" or "rational"."""
        return str(self.content["meaning"])

    @property
    def text(self) -> str:
        """The certificate as it stands in a file."""
        lines = [f"{_json(name)}:{_json(value)}" for name, value in self.content.items() if name != "claims"]
        claims = ",\n".join(_json(claim) for claim in self.content["claims"])
        return "{" + ",\n".join([*lines, f'"claims":[\n{claims}]']) + "}\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written there.
        """
        with replacing(path) as stream:
            stream.write(self.text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a certificate; nothing in it is believed before it is checked.

        Raises
        ------
        MissingFileError
            There is no such file.
        CertificateError
            It is no certificate, cut short, or of a newer version.
        """
        source = as_path(path)
        with reading(shown(source), "cannot be read"), open(source, "rb") as stream:
            raw = stream.read(checker.LONGEST_FILE + 1)
        try:
            content = checker.parse(raw.decode())
        except (checker.Reject, ValueError, RecursionError) as error:
            raise CertificateError(f"{source} is no certificate, or cut short: {error}") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise CertificateError(f"{source} is no fastminima certificate")
        if content.get("version") != checker.VERSION:
            raise CertificateError(
                f"{source} is of version {content.get('version')!r:.20}, this library knows {checker.VERSION}; "
                "a newer fastminima may read it"
            )
        if not isinstance(content.get("claims"), list):
            raise CertificateError(f"{source} has no list of claims")
        return cls(content)

    def __repr__(self) -> str:
        names = [claim.get("claim") for claim in self.content["claims"]]
        return f"Certificate({self._about()}, claims {names})"

    def _about(self) -> str:
        """What the claims are of: a theorem of the paper, or networks of which it says nothing."""
        kinds = {claim.get("claim") for claim in self.content["claims"]}
        if "no lower risk at width" in kinds or (kinds and kinds <= _OF_ANY):
            return "one hidden layer"
        return f"theorem {self.content.get('theorem')}"

    def __str__(self) -> str:
        state = "accepted by the checker" if self.checked else "not yet checked"
        lines = [*self.claim_lines(), *(f"open: {reason}" for reason in self.open)]
        return "\n  ".join([f"certificate of {self._about()}, {state}", *lines])

    def claim_numbers(self) -> list[tuple[str, dict[str, str]]]:
        """The name of every claim, and its numbers by their fields as rounded text; "elements" counts positions."""
        found = []
        for claim in self.content["claims"]:
            shown = {
                name: _shown(claim[name]) for name in claim if name in _SHOWN and claim[name] is not None
            }
            if type(claim.get("width")) is int:
                shown = {"width": str(claim["width"]), **shown}
            if isinstance(claim.get("positions"), list):
                shown["elements"] = f"{len(claim['positions']):,}"
            found.append((str(claim.get("claim")), shown))
        return found

    def claim_lines(self) -> list[str]:
        """One line a claim, its numbers rounded."""
        return [
            ": ".join([name, numbers_line(shown)] if shown else [name])
            for name, shown in self.claim_numbers()
        ]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


_SHOWN = ("risk", "loss", "radius", "radius_squared", "distance_squared", "excess", "drop", "floor")


def numbers_line(shown: dict[str, str]) -> str:
    """The numbers of a claim on one line, as the tables have it."""
    return ", ".join(
        f"{text} {name}" if name == "elements" else f"{name} {text}" for name, text in shown.items()
    )


def _shown(text: Any) -> str:
    try:
        return checker.show(text)
    except checker.Reject:
        return "?"


# from here on "p/2^k" is the shorter way to write a denominator
_POWER = 10


def word(value: Fraction | int | float) -> str:
    """A number as "p", "p/q" or, for q = 2^k from 2^10 on, "p/2^k", exactly."""
    exact = Fraction(value)
    p, q = exact.numerator, exact.denominator
    if q >> _POWER and q & (q - 1) == 0 and q.bit_length() <= 10_000:
        return f"{digits(p)}/2^{q.bit_length() - 1}"
    return digits(p) if q == 1 else f"{digits(p)}/{digits(q)}"


def matrix_words(rows: Iterable[Iterable[Any]]) -> list[list[str]]:
    """A matrix of numbers as nested lists of words."""
    return [[word(v) for v in row] for row in rows]


def network_words(network: OneHiddenLayer) -> dict[str, Any]:
    """The parameters of a network."""
    W1, b1, W2, b2 = network.parameters()
    return {
        "W1": matrix_words(W1.tolist()),
        "b1": [word(v) for v in b1.tolist()],
        "W2": [word(v) for v in W2.tolist()],
        "b2": word(b2),
    }


def assemble(
    theorem: int, meaning: str, data: dict[str, Any], setting: Any, claims: list[dict[str, Any]]
) -> dict[str, Any]:
    """The content of a certificate, in its order."""
    return {
        "format": _FORMAT,
        "version": checker.VERSION,
        "theorem": theorem,
        "meaning": meaning,
        "data": data,
        "setting": setting,
        "claims": claims,
    }


def data_words(
    m: int, columns: int, targets: int, weighted: bool, floats: bool, digests: DataDigests
) -> dict[str, Any]:
    """What a certificate says of its data."""
    return {
        "rows": m,
        "columns": columns,
        "targets": targets,
        "weighted": weighted,
        "numbers": "float64" if floats else "rational",
        "sha256": digests.sha256,
        "unordered": digests.unordered,
    }


def block_rows(blocks: Iterable[Block]) -> Iterator[list[float]]:
    """The rows (x, y, weight) of blocks of float64 numbers (X, y, weights or None), for the checker."""
    for X, y, weight in blocks:
        parts = [X, y.reshape(len(y), -1), *([] if weight is None else [weight[:, None]])]
        yield from np.hstack(parts).tolist()


def data_rows(data: Dataset) -> Iterator[Row]:
    """The rows (x, y, weight) of a dataset as exact numbers, for the checker."""
    if data.exact is None:
        yield from block_rows(data.blocks())
        return
    weights = data.sample_weight
    columns = list(zip(data.exact.numerators, data.exact.scales, strict=True))
    for i in range(data.n_samples):
        row = [int(numerators[i]) * scale for numerators, scale in columns]
        yield row if weights is None else [*row, Fraction(float(weights[i]))]
