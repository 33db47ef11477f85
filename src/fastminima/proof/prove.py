"""`prove` and `check`: from results to certificates, and back to the data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from fastminima.data.class_labels import one_column
from fastminima.data.columns import Column, Targets
from fastminima.data.dataset import Dataset, Meaning, check_one_target
from fastminima.data.given import DataLike
from fastminima.data.read import read
from fastminima.errors import DataError, DataTypeError, OptionError, ProofError
from fastminima.exact.digest import Digests
from fastminima.exact.fit import ExactFit
from fastminima.exact.stream import PassResult, exact_moments
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.landscape.bracket.bracket import Bracket
from fastminima.landscape.bracket.lower_bound import LowerBound
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.losses.base import ProductLoss
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.given import NetworkLike, as_network, data_of
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import one_of, spelled
from fastminima.system.threads import single_threaded_blas
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.certify_drop import certify_drop
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem2.counterexample import CounterExample
from fastminima.theorems.theorem4.classify import LinearReport

from . import check as checker
from .certificate import (
    Certificate,
    assemble,
    block_rows,
    data_rows,
    data_words,
    matrix_words,
    word,
)
from .claims import decided, layers, least_risk, pair, theorem1, theorem2, theorem4
from .labels import takes_labels, with_classes_of

__all__ = ["check", "check_loss", "linear_bias", "prove", "prove_linear"]

Method = Literal["auto", "exact", "float"]


class Blocks(Protocol):
    """A source of blocks, read once."""

    n_features: int
    weighted: bool

    def blocks(self) -> Iterable[Any]:
        """(X, y, weights or None), block after block."""


# how `check` reads files, beside their columns
_OF_FILES = {"missing", "categories", "header", "sep", "decimal"}
_METHODS = ("auto", "exact", "float")
# numbers in the data up to which a certificate is checked before it is handed out: some ten seconds
_CHECK_NUMBERS = 1_500_000
# likewise, rows times characters: every claim may have long numbers for every row
_CHECK_CHARACTERS = 7_000_000_000


def prove(
    result: NetworkLike | CounterExample | LinearReport | LowerBound | None,
    other: NetworkLike | ProductLoss | None = None,
    *,
    data: DataLike | Blocks | None = None,
    method: Method = "auto",
    verify: bool | None = None,
) -> Certificate:
    """A certificate of a result: claims that anyone can check against the data with the standard library alone.

    Parameters
    ----------
    result : SpuriousMinimum, DeepMinimum, CounterExample, LinearReport, Decision, Polish, Bracket, a network or None
        Theorem 1: the minimum, of any depth. Theorem 2: the pair. Theorem 4: the report. A decision: that the network is
        at a local minimum, or the lower network beside it. A polished network: the exact local minimum, and that the
        float64 one, and perhaps the start, are near it. A bracket: that no network of the width has a lower risk than
        what independent affine pieces leave on straight lines (its own lower end may be higher: `open` says so), and
        that its network's risk is at most the upper end; a LowerBound, with `data`: the first of the two. A network
        (OneHiddenLayer), with `data`, is proved to have no lower risk near by; None leaves that out.
    other : BetterPoint, DeepBetterPoint, OneHiddenLayer or SquaredLoss, optional
        Theorem 1: the better point. Two networks: one that is lower than the first. Theorem 4: the loss.
    data : Dataset, (X, y), (X, y, sample_weight) or source of blocks, optional
        For networks. A source has `n_features`, `weighted` and `blocks()`, which iterates over (X, y, weights or None); it
        is read once, in blocks, and memory does not grow with its rows.
    method : {"auto", "exact", "float"}, default "auto"
        How it is decided that `other` is better: "float" by proved bounds in float64 alone, "exact" in rational arithmetic,
        "auto" by the first that can. The certificate is the same.
    verify : bool, optional
        Run the checker before returning. Default: for up to 1.5 million numbers (about ten seconds).

    Returns
    -------
    Certificate

    Raises
    ------
    ProofError
        A claim does not hold, is undecided (method="float"), or is of a kind without certificate; or the checker refused.
    DataTypeError, OptionError, DataError
        What is none of the above; an unknown method; data of another shape.

    Notes
    -----
    docs/proofs.md derives why the inequalities that the checker accepts imply theorem 1 (sections 1 to 5 there), 2 and 4.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> proof = fm.prove(low, fm.better_point(low))
    >>> proof.checked, len(proof.claims) >= 3
    (True, True)
    """
    if not one_of(method, _METHODS):
        raise OptionError(f"method must be one of {', '.join(_METHODS)}, got {spelled(method)}")
    if isinstance(result, SmoothDecision | SmoothPolish):
        raise ProofError(
            "what balls prove of smooth networks, and with weight decay, has no certificate: the checker reads rational "
            "numbers, and these minima have none"
        )
    if isinstance(result, CounterExample):
        return _finished(*_theorem2(result), verify)
    if isinstance(result, LinearReport):
        return prove_linear(result, other, verify=verify)
    if isinstance(result, DeepMinimum) or isinstance(other, DeepBetterPoint):
        return _finished(*_layers(result, other, data), verify)
    if isinstance(result, Decision | Polish):
        if other is not None or data is not None:
            raise OptionError(
                "a Decision or Polish knows its data and its lower point: give nothing beside it"
            )
        return _finished(*_decided(result), verify)
    with single_threaded_blas():
        if isinstance(result, Bracket | LowerBound):
            return _finished(*_least_risk(result, other, data), verify)
        return _finished(*_theorem1(result, other, data, method), verify)


Made = tuple[Certificate, Callable[[], Iterable[Any]]]


@dataclass(frozen=True)
class _Asked:
    """What `prove` was given for theorem 1, once it has been looked at."""

    data: Any
    fit: LeastSquares | None
    minimum: OneHiddenLayer | None
    better: OneHiddenLayer | None
    open: tuple[str, ...]


def _asked(result: Any, other: Any, data: Any) -> _Asked:
    fit = None
    if isinstance(result, SpuriousMinimum):
        fit = result.fit
    elif isinstance(other, BetterPoint):
        fit = other.low.fit
    if data is None and fit is not None:
        data = fit.data
    elif isinstance(data, tuple) or (data is None and hasattr(result, "data")):
        data = data_of(data, "prove", result)
    if not isinstance(data, Dataset) and not all(
        hasattr(data, name) for name in ("blocks", "n_features", "weighted")
    ):
        raise DataTypeError(
            "networks are proved about data: pass data=fastminima.Dataset(X, y), or a source of blocks"
        )
    if isinstance(data, Dataset):
        check_one_target(data, "a certificate of theorem 1")
    minimum, better = _network(result, "the minimum", data), _network(other, "the better point", data)
    if minimum is None and better is None:
        raise ProofError("there is nothing to prove: give a minimum, a better point, or both")
    opened: tuple[str, ...] = ()
    if isinstance(other, BetterPoint) and other.network is None and other.status.value == "undecided":
        opened = (f"better point undecided: {other.reason}",)
    return _Asked(data, fit, minimum, better, opened)


def _network(value: Any, name: str, data: Any) -> OneHiddenLayer | None:
    """The network that a value is or has, with its inputs in the order of the columns; None where there is none."""
    if value is None or (isinstance(value, BetterPoint) and value.network is None):
        return None
    network = as_network(value, f"prove: {name}")
    if network.n_features != data.n_features:
        raise DataError(f"{name} takes {network.n_features} inputs, the data have {data.n_features}")
    return network.in_order_of(data.feature_names) if isinstance(data, Dataset) else network


def _theorem1(result: Any, other: Any, data: Any, method: str) -> Made:
    asked = _asked(result, other, data)
    minimum, better, data = asked.minimum, asked.better, asked.data
    setting = [word(s) for s in theorem1.same_activation(minimum, better)]
    if not isinstance(data, Dataset):
        if method == "float":
            raise OptionError('a source of blocks is proved exactly: use method="auto" or "exact"')
        numbers, solution = theorem1.streamed(data, minimum, better)
        claims = theorem1.claims_of(None, solution, numbers, minimum, better)
        words = _words(numbers, data.n_features, data.weighted, True)
        content = assemble(1, "binary", words, setting, claims)
        return Certificate(content, "exact"), lambda: block_rows(data.blocks())
    fit = asked.fit
    solved = fit.exact if fit is not None and fit.data is data and fit.method == "exact" else None
    networks = theorem1.networks(minimum, better, data.X[0])
    numbers = exact_moments(data, networks, total=None if solved is None else solved.gram)
    exact = ExactFit.of(data, numbers.gram) if solved is None else solved
    more = pair.beside(data, exact.risk, numbers, minimum, better)
    how = "exact" if more.better is None else _decided_by(asked, method)
    claims = theorem1.claims_of(data, exact, more.numbers, more.minimum, more.better)
    words = _words(numbers, data.n_features, data.sample_weight is not None, data.exact is None)
    content = assemble(1, data.meaning, words, setting, [*claims, *more.claims])
    return Certificate(content, how, open=(*asked.open, *more.open)), lambda: data_rows(data)


def _decided(result: Decision | Polish) -> Made:
    opened: tuple[str, ...] = ()
    if isinstance(result, Polish):
        decision = result.decision
        claims, opened = decided.of_polish(result)
    else:
        decision, claims = result, decided.of_decision(result)
    data = decision.data
    words = _words(
        exact_moments(data, []), data.n_features, data.sample_weight is not None, data.exact is None
    )
    content = assemble(1, data.meaning, words, decided.setting_of(decision.network), claims)
    return Certificate(content, "exact", open=opened), lambda: data_rows(data)


def _layers(low: Any, better: Any, data: Any) -> Made:
    if data is not None:
        raise OptionError("a DeepMinimum knows its data: give none beside it")
    if not isinstance(low, DeepMinimum) or not isinstance(better, DeepBetterPoint | None):
        raise DataTypeError(
            "networks of several layers are proved as prove(low) or prove(low, better_point(low)) of a DeepMinimum; got "
            f"{type(low).__name__} and {type(better).__name__}"
        )
    if better is not None and better.low is not low:
        raise ProofError("the better point is that of another minimum: pass prove(better.low, better)")
    claims, opened = layers.claims_of(low, better)
    content = assemble(1, low.data.meaning, layers.described(low.data), layers.setting_of(low), claims)
    return Certificate(content, "exact", open=opened), lambda: data_rows(low.data)


def _least_risk(result: Bracket | LowerBound, other: Any, data: Any) -> Made:
    if other is not None or (isinstance(result, Bracket) and data is not None):
        raise OptionError("a Bracket knows its data and its network: give nothing beside it")
    data = data_of(data, "prove of a lower bound", result)
    check_one_target(data, "a certificate of a lower bound")
    network = result.network if isinstance(result, Bracket) else None
    bound = result.bound if isinstance(result, Bracket) else result
    claims, opened = least_risk.no_lower(bound, data)
    # a lower bound that holds for all slopes says so of the ReLU's
    setting = (
        [word(s) for s in bound.slopes or (1, 0)]
        if network is None
        else [word(s) for s in theorem1.same_activation(network, None)]
    )
    drop = least_risk.drop_to(result) if isinstance(result, Bracket) else Fraction(0)
    numbers = exact_moments(data, theorem1.networks(None, network if drop > 0 else None, data.X[0]))
    if network is not None:
        exact = ExactFit.of(data, numbers.gram)
        upper = theorem1.claims_of(None, exact, numbers, None, network if drop > 0 else None)
        claims += [claim | {"drop": word(drop)} if "drop" in claim else claim for claim in upper]
    cells = least_risk.in_cells(bound, data)
    if not claims and cells is None:
        raise ProofError(f"there is nothing to prove: {opened[-1]}")
    words = _words(numbers, data.n_features, data.sample_weight is not None, data.exact is None)
    content = assemble(1, data.meaning, words, setting, claims)
    if cells is not None and checker.shown(content, cells, data_rows(data)):
        content["claims"].append(cells)
        opened = ()
    if not content["claims"]:
        raise ProofError(f"there is nothing to prove: {opened[-1]}")
    return Certificate(content, "exact", open=opened), lambda: data_rows(data)


def _decided_by(asked: _Asked, method: str) -> str:
    """How it is decided that the better point is better: by float64 bounds where they can, else exactly."""
    if asked.better is None or method == "exact":
        return "exact"
    fit = asked.fit if asked.fit is not None else least_squares(asked.data)
    if certify_drop(asked.better, fit, exact=False).better:
        return "float"
    if method == "float":
        raise ProofError(
            'undecided: float64 bounds do not show that the network is better; use method="exact" or "auto"'
        )
    return "exact"


def _words(numbers: PassResult, columns: int, weighted: bool, floats: bool) -> dict[str, Any]:
    """What a certificate says of the data that a pass has seen."""
    assert numbers.digests is not None
    return data_words(numbers.n_samples, columns, 1, weighted, floats, numbers.digests)


def _theorem2(pair: CounterExample) -> Made:
    words = _words(exact_moments(pair.data, []), pair.data.n_features, False, True)
    content = assemble(2, pair.data.meaning, words, theorem2.formula_words(pair.activation), [])
    content["claims"] = theorem2.claims_of(pair, content)
    return Certificate(content, "exact"), lambda: data_rows(pair.data)


def prove_linear(
    report: LinearReport, loss: Any, *, meaning: Meaning | None = None, verify: bool | None = None
) -> Certificate:
    """A certificate of theorem 4; `meaning` is that of the loss's numbers where they come from a file of decimals."""
    if not isinstance(loss, SquaredLoss):
        raise ProofError(
            f"certificates of theorem 4 are about SquaredLoss, whose gradient is rational; got {type(loss).__name__}"
        )
    setting = {"weights": [matrix_words(W.tolist()) for W in report.weights], "bias": loss.bias}
    claims = theorem4.claims_of(report)
    content = assemble(4, meaning or _loss_meaning(loss), _loss_words(loss), setting, claims)
    return _finished(Certificate(content, "exact"), lambda: theorem4.loss_rows(loss), verify)


def _finished(made: Certificate, rows: Callable[[], Iterable[Any]], verify: bool | None) -> Certificate:
    words = made.content["data"]
    size = words["rows"] * (words["columns"] + words["targets"])
    long = size > _CHECK_NUMBERS or words["rows"] * len(made.text) > _CHECK_CHARACTERS
    if verify is False or (verify is None and long):
        return made
    verdict = checker.check(made.text, rows)
    if not verdict:
        raise ProofError(f"the checker does not accept this certificate: {verdict.reason}")
    return replace(made, checked=True)


def _loss_meaning(loss: SquaredLoss) -> Meaning:
    return "binary" if loss.exact_columns() is None else "rational"


def _loss_words(loss: SquaredLoss) -> dict[str, Any]:
    digests, columns = Digests(), loss.X.shape[1] - loss.bias
    floats = loss.exact_columns() is None
    if floats:
        digests.update(np.hstack([loss.X[:, :columns], loss.Y[:, :-1]]), loss.Y[:, -1])
    else:
        digests.update_exact(list(zip(*theorem4.loss_rows(loss), strict=True)))
    return data_words(len(loss.X), columns, loss.Y.shape[1], False, floats, digests.result())


def check(
    certificate: Certificate | str | os.PathLike[str],
    data: DataLike | SquaredLoss | str | os.PathLike[str],
    *,
    target: Targets = None,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    **how: Any,
) -> checker.Verdict:
    """Is every claim of a certificate true of the data?

    Parameters
    ----------
    certificate : Certificate or path
    data : Dataset, SquaredLoss, pair (X, y), or path
        A file is read as the certificate says: as float64 values or as the decimals written. The bias of a loss must be
        the certificate's; a pair (X, y) gets it.
    target, features, sample_weight
        For files, as in `read`; theorem 4 and networks of several layers take several targets. A column of labels is read as
        the certificate's classes.
    **how
        For files, as in `read`: missing, categories, header, sep, decimal. The certificate is about the rows that are left.

    Returns
    -------
    Verdict
        (accepted, reason, claims): true or false by itself; the claims found true, and for a rejection the first that fails.

    Raises
    ------
    CertificateError
        The file is no certificate, cut short, or of a newer version.
    ReadError, DataError
        The data cannot be read.
    TargetError
        They have several targets, where the certificate is about one.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> proof = fm.prove(low, fm.better_point(low))
    >>> fm.check(proof, low.data).accepted
    True
    >>> fm.check(proof, ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 1])).accepted
    False
    """
    if not isinstance(certificate, Certificate):
        certificate = Certificate.load(certificate)
    wrong = sorted(set(how) - _OF_FILES) if isinstance(data, (str, os.PathLike)) else sorted(how)
    if wrong:
        raise OptionError(
            f"check takes {', '.join(sorted(_OF_FILES))} for files; {wrong[0]} is not one of them here"
        )
    if isinstance(data, SquaredLoss):
        return check_loss(certificate, data)
    if isinstance(data, (str, Path, os.PathLike)):
        meaning: Literal["binary", "decimal"] = (
            "decimal" if certificate.content.get("meaning") == "decimal" else "binary"
        )
        data = read(
            data,
            target,
            features=features,
            sample_weight=sample_weight,
            labels=takes_labels(certificate),
            meaning=meaning,
            **how,
        )
    elif isinstance(data, tuple) and len(data) == 2:
        targets = (
            certificate.content["data"].get("targets")
            if isinstance(certificate.content["data"], dict)
            else None
        )
        if certificate.content.get("theorem") == 4 or (
            targets not in (None, 1) and not _of_layers(certificate)
        ):
            return check_loss(certificate, SquaredLoss(*data, bias=linear_bias(certificate)))
        data = Dataset(*data, labels=takes_labels(certificate) and one_column(data[1]))
    if not isinstance(data, Dataset):
        raise DataTypeError(
            f"data must be a Dataset, SquaredLoss, (X, y) or a file, got {type(data).__name__}"
        )
    if certificate.content.get("theorem") != 4 and not _of_layers(certificate):
        check_one_target(data, "check of a Dataset (theorem 4: pass SquaredLoss(X, Y))")
    if certificate.content.get("meaning") != data.meaning:
        return _another_meaning(certificate, data.meaning)
    found = with_classes_of(certificate, data)
    if isinstance(found, str):
        return checker.Verdict(False, found, [])
    data = found
    # the certificate must mean the same columns by target and weight
    arranged = (data.n_targets, data.sample_weight is not None)
    return checker.check(certificate.text, lambda: data_rows(data), arranged)


def _of_layers(certificate: Certificate) -> bool:
    """Is it about networks of any depth, with any number of targets?"""
    return certificate.content.get("theorem") == 1 and isinstance(certificate.content.get("setting"), dict)


def check_loss(
    certificate: Certificate, loss: SquaredLoss, *, meaning: Meaning | None = None
) -> checker.Verdict:
    """`check` for a loss; `meaning` is that of its numbers where they come from a file of decimals."""
    meaning, bias = meaning or _loss_meaning(loss), linear_bias(certificate)
    if certificate.content.get("meaning") != meaning:
        return _another_meaning(certificate, meaning)
    if certificate.content.get("theorem") == 4 and bias != loss.bias:
        about, given = ("with a constant input", "none") if bias else ("without a constant input", "one")
        return checker.Verdict(
            False, f"the certificate is about a loss {about}, this loss has {given} (bias={loss.bias})", []
        )
    arranged = (loss.Y.shape[1], False)
    return checker.check(certificate.text, lambda: theorem4.loss_rows(loss), arranged)


def linear_bias(certificate: Certificate) -> bool:
    """Does a certificate of theorem 4 append a constant input?"""
    setting = certificate.content.get("setting")
    return isinstance(setting, dict) and setting.get("bias") is True


def _another_meaning(certificate: Certificate, meaning: str) -> checker.Verdict:
    about = f"{certificate.content.get('meaning')!s:.20}"
    return checker.Verdict(False, f"the certificate is about {about} numbers, these data are {meaning}", [])
