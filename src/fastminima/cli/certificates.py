"""The commands `fastminima prove` and `fastminima check`: certificates, made and checked."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from fastminima.errors import FastMinimaError, OptionError, OutputError
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.linear_layers import read_chain
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.proof.certificate import Certificate, numbers_line
from fastminima.proof.prove import check, check_loss, linear_bias, prove, prove_linear
from fastminima.system.plain_text import printable
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.minimum import spurious_minimum
from fastminima.theorems.theorem2.counterexample import counterexample
from fastminima.theorems.theorem4.classify import classify_linear

from .arguments import add_data_arguments, load, samples
from .output import example_csv, print_table, say, write_text

__all__ = ["add_parsers", "proof_row", "run_check", "run_prove"]

_PROVE_EPILOG = """\
examples:
  fastminima prove houses.csv --target price --out proof.json
  fastminima prove houses.csv --target price --minimum minimum.npz --better better.npz --out proof.json
  fastminima prove --counterexample tanh --out proof.json
  fastminima prove table.npy --weights W.npz --target -2,-1 --out proof.json
"""
_CHECK_EPILOG = """\
examples:
  fastminima check proof.json houses.csv --target price
  python -m fastminima.proof.check proof.json houses.csv --target price

The second line does the same with Python's standard library alone; the file check.py can be copied and run by itself.
Exit status: 0 accepted, 1 rejected, 2 nothing could be checked.
"""
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
    prover.add_argument("--counterexample", metavar="NAME", help="theorem 2: an activation; no DATA")
    prover.add_argument(
        "--weights", metavar="W.npz", help="theorem 4: layers W1, W2, ...; --target names all targets"
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
        metavar="FILE",
        required=True,
        help="the certificate; with --counterexample its data go beside it, as FILE with the suffix .csv. An earlier "
        "certificate there is replaced, with such data, once this one is made; what this run reads, and a .csv that "
        "holds anything else, is refused before any work",
    )
    prover.add_argument("--json", action="store_true", help="print a summary as JSON")
    prover.set_defaults(run=run_prove, accuracy="auto", targets=None)
    checker: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="check a certificate against data",
        description="Derive every claim of a certificate again from the data.",
        epilog=_CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checker.add_argument("certificate", metavar="CERT")
    add_data_arguments(checker, meaning=False)
    checker.add_argument("--json", action="store_true", help="print the verdict as JSON")
    checker.set_defaults(run=run_check, accuracy="auto", targets=None)


def run_prove(arguments: argparse.Namespace) -> int:
    """Run `fastminima prove`; returns the exit status."""
    out = Path(arguments.out)
    if out.is_dir():
        raise OutputError(f"--out must be a file, {out} is a folder")
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
        print(
            json.dumps(
                _summary(certificate) | {"file": str(out), "data": data_file, "seconds": seconds}, indent=2
            )
        )
        return 0
    rows = [["theorem", str(certificate.theorem)]]
    rows += [[name, numbers_line(shown)] for name, shown in certificate.claim_numbers()]
    rows += [["open", reason] for reason in certificate.open]
    rows.append(["proof", proof_row(certificate, str(out))])
    if data_file is not None:
        rows.append(["data", data_file])
    rows.append(["time", f"{seconds:.3f} s"])
    print_table("fastminima prove", None, rows)
    return 0


def _table(arguments: argparse.Namespace, out: Path) -> Path | None:
    """Where an example's data lie beside a certificate; what may not be written over there is refused."""
    for name in (arguments.data, arguments.minimum, arguments.better, arguments.weights):
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
    given = [None if p is None else OneHiddenLayer.load(p) for p in (arguments.minimum, arguments.better)]
    if given != [None, None]:
        return prove(*given, data=data, method=arguments.method, verify=verify), None
    low = spurious_minimum(data)
    return prove(low, better_point(low), method=arguments.method, verify=verify), None


def _loss(arguments: argparse.Namespace, bias: bool) -> SquaredLoss:
    if arguments.sample_weight is not None:
        raise OptionError("theorem 4 has no sample weights; leave --sample-weight out")
    arguments.targets = arguments.target
    return SquaredLoss(*samples(arguments), bias=bias)


def _decimal(arguments: argparse.Namespace) -> Literal["decimal"] | None:
    """What a loss does not know of the file that it was read from."""
    return "decimal" if arguments.meaning == "decimal" else None


def _summary(certificate: Certificate) -> dict[str, Any]:
    return {
        "theorem": certificate.theorem,
        "meaning": certificate.meaning,
        "claims": certificate.claim_lines(),
        "method": certificate.method,
        "checked": certificate.checked,
        "open": list(certificate.open),
        "bytes": len(certificate.text),
    }


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
        verdict = check(certificate, load(arguments))
    if arguments.json:
        print(
            json.dumps(
                {"accepted": verdict.accepted, "reason": verdict.reason, "claims": verdict.claims}, indent=2
            )
        )
    else:
        for claim in verdict.claims:
            say(f"holds: {claim}")
        say(f"{'accepted' if verdict.accepted else 'rejected'}: {verdict.reason}")
    return 0 if verdict.accepted else 1
