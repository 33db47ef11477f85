"""The commands `fastminima prove` and `fastminima check`: certificates, made and checked."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from fastminima.errors import FastMinimaError, OptionError, OutputError, ProofError
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.activations.named import as_piecewise
from fastminima.networks.linear_layers import read_chain
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.proof.certificate import Certificate, numbers_line
from fastminima.proof.labels import takes_labels
from fastminima.proof.prove import check, check_loss, linear_bias, prove, prove_linear
from fastminima.reporting.plain_names import KEYS_VERSION, certificate_values
from fastminima.system.plain_text import printable
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.minimum import spurious_minimum
from fastminima.theorems.theorem2.counterexample import counterexample
from fastminima.theorems.theorem4.classify import classify_linear

from .arguments import (
    activation_of,
    add_activation_argument,
    add_data_arguments,
    add_result_arguments,
    load,
    samples,
)
from .folder import OUT_RULE, OutputFolder, names_a_file
from .output import example_csv, print_table, say, write_text
from .short_json import print_json
from .wording import exit_status

__all__ = ["add_parsers", "proof_if_any", "proof_row", "proof_rows", "run_check", "run_prove", "write_proof"]

_PROVE_EPILOG = """\
examples:
  fastminima prove houses.csv --target price --out proved
  fastminima prove houses.csv --target price --minimum minimum.npz --better better.npz --out proved
  fastminima prove --counterexample elu:0.5 --out proved
  fastminima prove table.npy --weights W.npz --target -2 --target -1 --out proved

""" + exit_status("where there is a certificate", "where there is none, because the claim is not proved")
_CHECK_EPILOG = """\
examples:
  fastminima check proof.json houses.csv --target price
  python -m fastminima.proof.check proof.json houses.csv --target price

The second line does the same with Python's standard library alone; the file check.py can be copied and run by itself.
""" + exit_status("accepted", "rejected")
_READ = ("data", "minimum", "better", "weights")
# the data of every certificate of theorem 2, as `example_csv` writes them
_EXAMPLE = b"x1,x2,y\n1.0,0.0,0.0\n0.0,1.0,0.0\n0.5,0.5,1.0\n"


def add_parsers(commands: Any) -> None:
    """Add `prove` and `check` to the subcommands made by `ArgumentParser.add_subparsers`."""
    prover: argparse.ArgumentParser = commands.add_parser(
        "prove",
        help="a certificate that anyone can check with Python's standard library",
        description="Write a certificate: theorem 1 about data (and networks of your own), theorem 2 about an activation, "
        "theorem 4 about weights of a linear network.",
        epilog=_PROVE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(prover, optional=True)
    prover.add_argument(
        "--minimum", metavar="M.npz", help="theorem 1: a network to prove (default: construct one)"
    )
    prover.add_argument(
        "--better", metavar="B.npz", help="theorem 1: a network of lower risk (default: construct one)"
    )
    prover.add_argument(
        "--counterexample", metavar="H", help="theorem 2: an activation, such as tanh or elu:0.5; no DATA"
    )
    add_activation_argument(prover, "theorem 1: of the network that is constructed, piecewise linear")
    prover.add_argument(
        "--weights", metavar="W.npz", help="theorem 4: layers W1, W2, ...; --target once for each target"
    )
    prover.add_argument("--bias", action="store_true", help="theorem 4: append a constant input")
    prover.add_argument(
        "--method",
        choices=("auto", "exact", "float"),
        default="auto",
        help="how it is decided that a network is better; the certificate is the same",
    )
    prover.add_argument("--no-check", action="store_true", help="do not run the checker before writing")
    prover.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help=f"write proof.json, prove.json and, with --counterexample, data.csv there{OUT_RULE}. A name with a suffix, "
        "such as proof.json, is the file of the certificate alone (its data beside it as .csv)",
    )
    add_result_arguments(prover, "", "a summary as JSON")
    prover.set_defaults(run=run_prove, accuracy="auto")
    checker: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="check a certificate against data",
        description="Derive every claim of a certificate again from the data.",
        epilog=_CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checker.add_argument("certificate", metavar="CERT")
    add_data_arguments(checker, meaning=False)
    add_result_arguments(checker, "", "the verdict as JSON")
    checker.set_defaults(run=run_check, accuracy="auto")


def run_prove(arguments: argparse.Namespace) -> int:
    """Run `fastminima prove`; returns the exit status."""
    try:
        if names_a_file(arguments.out):
            return _prove_to_file(arguments)
        reads = [getattr(arguments, name) for name in _READ]
        with OutputFolder(arguments.out, "prove", [name for name in reads if name is not None]) as folder:
            return _prove_to_folder(arguments, folder)
    except ProofError as error:
        say(f"fastminima: ProofError: {error}", error=True)
        return 1


def _prove_to_folder(arguments: argparse.Namespace, folder: OutputFolder) -> int:
    start = time.perf_counter()
    certificate, example = _made(arguments)
    certificate.save(folder.file("proof.json"))
    if example is not None:
        write_text(folder.file("data.csv"), example)
    seconds = time.perf_counter() - start
    read = {name: getattr(arguments, name) for name in _READ}
    read["source"] = read.pop("data")
    summary = {**_summary(certificate), **read, "seconds": {"prove": seconds}}
    files = folder.finish_with(summary)
    if arguments.json:
        print_json(summary, files, full=True)
        return 0
    proof = str(folder.path / "proof.json")
    written = ["written", f"{', '.join(Path(name).name for name in files)} in {folder.path}"]
    print_table("fastminima prove", None, [*_rows(certificate, proof), ["time", f"{seconds:.3f} s"], written])
    return 0


def _rows(certificate: Certificate, name: str) -> list[list[str]]:
    """What the table says of a certificate in a file."""
    rows = [["theorem", str(certificate.theorem)]]
    rows += [[claim, numbers_line(shown)] for claim, shown in certificate.claim_numbers()]
    rows += [["open", reason] for reason in certificate.open]
    return [*rows, ["proof", proof_row(certificate, name)]]


def _prove_to_file(arguments: argparse.Namespace) -> int:
    out = Path(arguments.out)
    table = _table(arguments, out)
    start = time.perf_counter()
    certificate, example = _made(arguments)
    data_file = None if example is None else str(table)
    if example is not None and table is not None:
        write_text(table, example)
    certificate.save(out)
    if example is None and table is not None:
        # the data of the earlier certificate, which is no more
        table.unlink(missing_ok=True)
    seconds = time.perf_counter() - start
    if arguments.json:
        print_json(_summary(certificate) | {"file": str(out), "data": data_file, "seconds": {"prove": seconds}}, full=True)
        return 0
    rows = _rows(certificate, str(out))
    if data_file is not None:
        rows.append(["data", data_file])
    rows.append(["time", f"{seconds:.3f} s"])
    print_table("fastminima prove", None, rows)
    return 0


def _table(arguments: argparse.Namespace, out: Path) -> Path | None:
    """Where an example's data lie beside a certificate; what may not be written over there is refused."""
    for name in (getattr(arguments, name) for name in _READ):
        if name is not None and out.exists() and os.path.exists(name) and out.samefile(name):
            raise OutputError(f"--out {printable(str(out))} is read by this run: name another file")
    table = out.with_suffix(".csv")
    if arguments.counterexample is None:
        # only an example's own certificate has data beside it that may go
        return table if table != out and _is_example(out) and _holds_example(table) else None
    if table == out:
        raise OutputError(
            f"--out {printable(str(out))}: the example's data go there; give a name such as p.json"
        )
    if os.path.lexists(table) and not _holds_example(table):
        raise OutputError(
            f"{printable(str(table))} is where the example's data go and holds something else: name another --out"
        )
    return table


def _is_example(path: Path) -> bool:
    try:
        return Certificate.load(path).content.get("theorem") == 2
    except (FastMinimaError, OSError):
        return False


def _holds_example(path: Path) -> bool:
    try:
        return path.read_bytes() == _EXAMPLE
    except OSError:
        return False


def _made(arguments: argparse.Namespace) -> tuple[Certificate, str | None]:
    """The certificate, and the text of the data where it brings its own."""
    verify = False if arguments.no_check else None
    if arguments.counterexample is not None:
        if arguments.data is not None or arguments.weights is not None:
            raise OptionError("--counterexample brings its own data: leave DATA and --weights out")
        pair = counterexample(arguments.counterexample)
        return prove(pair, verify=verify), example_csv(pair.data)
    if arguments.data is None:
        raise OptionError("which data? Give DATA, or --counterexample NAME")
    if arguments.weights is not None:
        loss = _loss(arguments, arguments.bias)
        report = classify_linear(read_chain(arguments.weights), loss, exact=True)
        return prove_linear(report, loss, meaning=_decimal(arguments), verify=verify), None
    data = load(arguments)
    if arguments.activation is not None and (arguments.minimum is not None or arguments.better is not None):
        raise OptionError("a network's file says its activation: leave --activation out")
    given = [None if p is None else OneHiddenLayer.load(p) for p in (arguments.minimum, arguments.better)]
    if given != [None, None]:
        return prove(*given, data=data, method=arguments.method, verify=verify), None
    low = spurious_minimum(data, as_piecewise(activation_of(arguments), "prove"))
    return prove(low, better_point(low), method=arguments.method, verify=verify), None


def _loss(arguments: argparse.Namespace, bias: bool) -> SquaredLoss:
    if arguments.sample_weight is not None:
        raise OptionError("theorem 4 has no sample weights; leave --sample-weight out")
    return SquaredLoss(*samples(arguments), bias=bias)


def _decimal(arguments: argparse.Namespace) -> Literal["decimal"] | None:
    """What a loss does not know of the file that it was read from."""
    return "decimal" if arguments.meaning == "decimal" else None


def _summary(certificate: Certificate) -> dict[str, Any]:
    return {
        "version": KEYS_VERSION,
        **certificate_values(certificate),
        "method": certificate.method,
        "bytes": len(certificate.text),
    }


def write_proof(folder: OutputFolder, certificate: Certificate, name: str = "proof.json") -> dict[str, Any]:
    """Write a certificate; what a summary says of it."""
    certificate.save(folder.file(name))
    return {"file": name, "checked": certificate.checked, "open": list(certificate.open)}


def proof_rows(certificate: Certificate, name: str = "proof.json") -> list[list[str]]:
    """What a table says of a certificate: what is open, and whether it is proved."""
    return [*(["open", reason] for reason in certificate.open), ["proof", proof_row(certificate, name)]]


def proof_if_any(
    folder: OutputFolder, make: Callable[[], Certificate], summary: dict[str, Any]
) -> list[list[str]]:
    """Write the certificate that `make` makes; rows about it, and `summary["proof"]`: None where there is none."""
    try:
        certificate = make()
    except ProofError as error:
        summary["proof"] = None
        return [["proof", f"none: {error}"]]
    summary["proof"] = write_proof(folder, certificate)
    return proof_rows(certificate)


def proof_row(certificate: Certificate, name: str) -> str:
    """What a table says of a certificate: "proved" only where the checker has accepted it."""
    if certificate.checked:
        return f"proved: the checker accepts {name}"
    return f"{name} is not checked yet: fastminima check {name} DATA"


def run_check(arguments: argparse.Namespace) -> int:
    """Run `fastminima check`; returns the exit status."""
    certificate = Certificate.load(arguments.certificate)
    # a file is read with the certificate's own meaning of numbers
    arguments.meaning = "decimal" if certificate.content.get("meaning") == "decimal" else "binary"
    if certificate.content.get("theorem") == 4:
        # whether there is a constant input is said by the certificate, and by nothing in the data
        loss = _loss(arguments, linear_bias(certificate))
        verdict = check_loss(certificate, loss, meaning=_decimal(arguments))
    else:
        arguments.labels = takes_labels(certificate)
        verdict = check(certificate, load(arguments))
    if arguments.json:
        print_json({"version": KEYS_VERSION, **verdict._asdict()}, full=True)
    else:
        for claim in verdict.claims:
            say(f"holds: {claim}")
        say(f"{'accepted' if verdict.accepted else 'rejected'}: {verdict.reason}")
    return 0 if verdict.accepted else 1
