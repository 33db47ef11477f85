"""The figures of docs/polished.md: trained networks, polished, each judged exactly.

    python docs/polished.py                     # 320 networks: some ten minutes of one core
    python docs/polished.py --count 24          # a quick look
    python docs/polished.py --rows rows.jsonl   # a line for each network, too

Network k is a function of k alone: its data (a table that scikit-learn or statsmodels ship, random numbers, or a
lattice with ties and equal rows; the same for eight networks in a row), its width 1 + k mod 8, its activation, PyTorch's
optimiser, and the initial weights.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastminima as fm

SKLEARN = ("diabetes", "iris", "linnerud", "wine")
STATSMODELS = (
    "stackloss", "longley", "engel", "fair", "copper", "cpunish", "scotland", "spector", "statecrime", "ccard", "cancer",
)  # fmt: skip
KINDS = ("table", "random", "table", "lattice", "table", "random")
# slopes of the activation, ReLU as often as the others together
SLOPES = ((1.0, 0.0), (1.0, 0.01), (1.0, 0.0), (1.0, 0.25))
ADAM_STEPS = 600


@dataclass(frozen=True)
class Row:
    """What became of one network; ratios are to the risk at which training stopped."""

    number: int
    data: str
    m: int
    dx: int
    width: int
    slopes: tuple[float, float]
    optimiser: str
    status: str
    reason: str
    risk: float
    stopped_at: float
    taken_off: float
    kinks: int
    concave: int
    ties: int
    off: int
    radius: float
    steps: int
    in_region: bool
    within_radius: bool
    certificate: str
    seconds: float


def tables() -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Name -> a function that loads (X, y); nothing is downloaded."""
    from sklearn import datasets

    def of_sklearn(name: str) -> Callable[[], tuple[Any, Any]]:
        def load() -> tuple[Any, Any]:
            X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
            return X, y if y.ndim == 1 else y[:, 0]

        return load

    def of_statsmodels(name: str) -> Callable[[], tuple[Any, Any]]:
        def load() -> tuple[Any, Any]:
            loaded = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas()
            X, y = np.asarray(loaded.exog, dtype=float), np.asarray(loaded.endog, dtype=float)
            return X.reshape(len(X), -1), y if y.ndim == 1 else y[:, 0]

        return load

    return {name: of_sklearn(name) for name in SKLEARN} | {name: of_statsmodels(name) for name in STATSMODELS}


def _standard(X: Any) -> Any:
    X = np.asarray(X, dtype=float)
    spread = X.std(axis=0)
    X = X[:, spread > 0] if X.ndim == 2 else X
    return (X - X.mean(axis=0)) / X.std(axis=0)


def data_of(number: int, rng: np.random.Generator) -> tuple[str, fm.Dataset]:
    """Name and data of a network."""
    kind = KINDS[number % len(KINDS)]
    if kind == "table":
        name, load = list(tables().items())[(number // 2) % (len(SKLEARN) + len(STATSMODELS))]
        X, y = load()
        return name, fm.Dataset(_standard(X), _standard(y))
    m, dx = int(rng.integers(10, 80)), int(rng.integers(1, 6))
    weight = rng.integers(1, 4, m).astype(float) if number % 5 == 0 else None
    if kind == "lattice":
        X, y = rng.integers(-2, 3, (m, min(dx, 3))) / 2, rng.integers(-4, 5, m) / 2
    else:
        X, y = rng.normal(size=(m, dx)), rng.normal(size=m)
    return kind, fm.Dataset(X, y, sample_weight=weight)


@dataclass(frozen=True)
class Job:
    """A network to be trained: its number says all else."""

    number: int

    @property
    def group(self) -> int:
        """Networks 8 g to 8 g + 7 have the same data."""
        return self.number // 8

    @property
    def width(self) -> int:
        return 1 + self.number % 8

    @property
    def slopes(self) -> tuple[float, float]:
        return SLOPES[(self.number // 2) % len(SLOPES)]

    @property
    def optimiser(self) -> str:
        return "lbfgs" if (self.number + self.group) % 2 else "adam"

    def begin(self, dx: int) -> list[Any]:
        """PyTorch's own initial weights of two Linear layers, in float64."""
        import torch

        torch.manual_seed(self.number)
        hidden, output = torch.nn.Linear(dx, self.width), torch.nn.Linear(self.width, 1)
        return [v.detach().double() for v in (hidden.weight, hidden.bias, output.weight[0], output.bias[0])]


def trained(jobs: list[Job], data: fm.Dataset, optimiser: str) -> list[fm.OneHiddenLayer]:
    """PyTorch in float64, until L-BFGS stops or Adam's step has gone to zero.

    Several networks are trained at once, each as it would be alone: Adam works entry by entry, and units that fill a
    narrow network up have an output weight that is masked, hence no gradient.
    """
    import torch

    X, y = torch.tensor(data.X), torch.tensor(data.y)
    w = torch.ones_like(y) if data.sample_weight is None else torch.tensor(data.sample_weight)
    widest = max(job.width for job in jobs)
    W1, b1 = torch.zeros(len(jobs), widest, data.n_features).double(), torch.zeros(len(jobs), widest).double()
    W2, b2, mask = torch.zeros_like(b1), torch.zeros(len(jobs)).double(), torch.zeros_like(b1)
    for k, job in enumerate(jobs):
        d1 = job.width
        W1[k, :d1], b1[k, :d1], W2[k, :d1], b2[k] = job.begin(data.n_features)
        mask[k, :d1] = 1.0
    s_minus = torch.tensor([job.slopes[1] for job in jobs]).double()[:, None, None]
    params = [v.requires_grad_() for v in (W1, b1, W2, b2)]

    def loss() -> Any:
        z = X @ W1.transpose(1, 2) + b1[:, None, :]
        error = (torch.where(z > 0, z, s_minus * z) @ (mask * W2)[:, :, None])[:, :, 0] + b2[:, None] - y
        return (w * error * error).sum() / (2.0 * w.sum())

    if optimiser == "lbfgs":
        chosen = torch.optim.LBFGS(params, max_iter=300, history_size=10, line_search_fn="strong_wolfe")

        def closure() -> Any:
            chosen.zero_grad()
            value = loss()
            value.backward()
            return value

        chosen.step(closure)
    else:
        adam = torch.optim.Adam(params, lr=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, ADAM_STEPS)
        for _ in range(ADAM_STEPS):
            adam.zero_grad()
            loss().backward()
            adam.step()
            schedule.step()
    arrays = [v.detach().numpy() for v in params]
    found = []
    for k, job in enumerate(jobs):
        V1, c1, V2, c2 = (array[k] for array in arrays)
        d1 = job.width
        found.append(fm.OneHiddenLayer(V1[:d1], c1[:d1], V2[:d1], float(c2), fm.PiecewiseLinear(*job.slopes)))
    return found


def networks(count: int, start: int = 0) -> Iterator[tuple[Job, str, fm.Dataset, fm.OneHiddenLayer]]:
    """Trained networks start, ..., count - 1 with their data; `start` is a multiple of 8."""
    for first in range(start, count, 8):
        jobs = [Job(number) for number in range(first, min(first + 8, count))]
        name, data = data_of(jobs[0].group, np.random.default_rng([2019, first]))
        adam = [job for job in jobs if job.optimiser == "adam"]
        done = dict(zip(adam, trained(adam, data, "adam"), strict=True)) if adam else {}
        for job in jobs:
            yield job, name, data, done[job] if job in done else trained([job], data, "lbfgs")[0]


def certified(found: fm.Polish) -> str:
    """Is the certificate of the result accepted by the checker? "refused" and why, if not."""
    try:
        certificate = fm.prove(found)
    except fm.errors.ProofError as error:
        return f"refused: {error}"
    return "accepted" if certificate.checked else "refused: not checked"


def judged(
    job: Job, name: str, data: fm.Dataset, network: fm.OneHiddenLayer, prove: bool
) -> tuple[Row, fm.Polish]:
    """Polish a network, and say what came out."""
    begin = time.process_time()
    p = fm.polish(network, data)
    seconds = time.process_time() - begin
    v, stopped = p.decision, p.path[0].risk
    row = Row(
        number=job.number, data=name, m=data.n_samples, dx=data.n_features, width=job.width, slopes=job.slopes,
        optimiser=job.optimiser, status=str(p.status), reason=p.reason, risk=p.risk, stopped_at=stopped,
        taken_off=(stopped - p.risk) / stopped if stopped else 0.0,
        kinks=len(v.kinks), concave=sum(kink.limit < 0 for kink in v.kinks),
        ties=sum(abs(value) == limit for _, _, value, limit in v.multipliers), off=len(v.off_units),
        radius=p.radius, steps=len(p.path) - 1, in_region=p.started_in_region, within_radius=p.started_within_radius,
        certificate=certified(p) if prove and p else "", seconds=seconds,
    )  # fmt: skip
    return row, p


def lines(rows: list[Row]) -> Iterator[str]:
    """The figures."""
    n = len(rows)
    done = [row for row in rows if row.status == "local_minimum"]
    left = Counter(f"{row.status}: {row.reason}" for row in rows if row.status != "local_minimum")
    yield f"{n} trained networks ({', '.join(f'{c} {k}' for k, c in Counter(r.optimiser for r in rows).items())})"
    yield f"end in a certified local minimum: {len(done)} of {n}" + "".join(
        f"; {c} {why}" for why, c in left.items()
    )
    proofs = Counter(row.certificate.partition(":")[0] for row in done if row.certificate)
    if proofs:
        yield "certificates: " + ", ".join(f"{count} {word}" for word, count in proofs.items())
    kinked = [row for row in done if row.kinks]
    counts = [row.kinks for row in kinked]
    yield (
        f"with kinks: {len(kinked)} (median {np.median(counts):.0f}, most {max(counts)}; {sum(counts)} in all, "
        f"{sum(row.ties for row in done)} exact ties, {sum(row.concave for row in done)} concave)"
    )
    yield f"with a unit that is off: {sum(row.off > 0 for row in done)}"
    yield f"risk exactly 0: {sum(row.risk == 0.0 for row in done)}; radius inf: {sum(math.isinf(r.radius) for r in done)}"
    yield f"training stopped in the region of the minimum: {sum(row.in_region for row in done)}"
    yield f"training stopped within its radius: {sum(row.within_radius for row in done)}"
    rest = [row for row in done if row.risk > 0]
    for share in (1e-3, 1e-1):
        far = [row for row in rest if row.taken_off > share]
        by = ", ".join(
            f"{name} {sum(r.optimiser == name for r in far)} of {sum(r.optimiser == name for r in rest)}"
            for name in ("lbfgs", "adam")
        )
        yield f"the walk took off more than {share:g} of a positive risk: {len(far)} of {len(rest)} ({by})"
    seconds = [row.seconds for row in rows]
    yield (
        f"steps: median {np.median([r.steps for r in rows]):.0f}, most {max(r.steps for r in rows)}; CPU seconds of polish: "
        f"median {np.median(seconds):.2f}, most {max(seconds):.1f}"
    )


def main() -> int:
    """Print the figures; returns 1 where 1 % or more end without a verdict, or a certificate is refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", type=int, default=0, help="the first network, a multiple of 8")
    parser.add_argument("--count", type=int, default=320, help="one after the last")
    parser.add_argument("--prove", action="store_true", help="make and check a certificate of each")
    parser.add_argument(
        "--read", nargs="+", metavar="FILE", help="the figures of rows that earlier runs wrote"
    )
    parser.add_argument("--rows", help="a file for one JSON line a network")
    arguments = parser.parse_args()
    if arguments.read:
        texts = [Path(name).read_text() for name in arguments.read]
        rows = [Row(**json.loads(line)) for text in texts for line in text.splitlines()]
        print("\n".join(lines(rows)))
        return 0
    import torch

    torch.set_num_threads(1)
    rows = []
    stream = open(arguments.rows, "w") if arguments.rows else None  # noqa: SIM115
    for found in networks(arguments.count, arguments.start):
        rows.append(judged(*found, arguments.prove)[0])
        if stream:
            print(json.dumps(asdict(rows[-1])), file=stream, flush=True)
    for line in lines(rows):
        print(line)
    failed = sum(row.status != "local_minimum" for row in rows)
    return int(100 * failed >= len(rows) or any(row.certificate.startswith("refused") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
