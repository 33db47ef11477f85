"""The library's search against scikit-learn's MLPRegressor at the same wall time: training risk, and error on rows left out.

    OPENBLAS_NUM_THREADS=1 python bench/bench_mlp_regressor.py              # ten tables: about 8 minutes
    OPENBLAS_NUM_THREADS=1 python bench/bench_mlp_regressor.py training     # the first half alone
    OPENBLAS_NUM_THREADS=1 python bench/bench_mlp_regressor.py folds        # the second

The tables are those of bench_search.py, inputs and target standardised alike for all. One thread each, turn by turn. A peer
starts again, with another seed, until its time is up, and its best network counts: L-BFGS with room to converge; Adam with
its learning rate swept over four values; in the second half also Adam with early stopping, the usual care against fitting
noise, which is chosen by its own validation rows. alpha = 0, so that all minimise the same risk. What a peer has by a time
is the least risk of any evaluation of all rows (L-BFGS: each; Adam: at the end of each epoch), also where the clock ends a
fit.

Training risks are shares of the least-squares risk. Test errors are means over five folds, the same for all, of squared
errors over those of the training rows' mean: 1 - R^2, below 1 where the network says more than that mean.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench_search import Curve, compare, ours, standardised, tables

TIMES = (1.0, 5.0)
WIDTHS = (2, 8)
FOLDS, FOLD_WIDTH, FOLD_SECONDS = 5, 8, 1.0
RATES = (0.001, 0.003, 0.01, 0.03)
QUICK = ("quick",)


class Expired(Exception):
    """The time is up."""


class Restarts:
    """MLPRegressor with another seed until the time is up: the curve of the least risk, and the network it belongs to."""

    def __init__(self, solver: str, width: int, seconds: float, *, early: bool = False) -> None:
        self.solver, self.width, self.seconds, self.early = solver, width, seconds, early

    def fit(self, X: Any, y: Any) -> Restarts:
        from sklearn.neural_network import MLPRegressor

        outer = self

        class Watched(MLPRegressor):  # type: ignore[misc] # no stubs
            """Tells what it has reached."""

            def _backprop(self, X: Any, y: Any, *rest: Any) -> Any:
                loss, *others = super()._backprop(X, y, *rest)
                if self.solver == "lbfgs":
                    outer.seen(len(y) * float(loss), self)
                return loss, *others

            def _update_no_improvement_count(self, *given: Any, **named: Any) -> None:
                super()._update_no_improvement_count(*given, **named)
                if self.early_stopping:
                    outer.seen(-self.validation_scores_[-1], self)
                else:
                    outer.seen(0.5 * float(((self._forward_pass_fast(outer.X)[:, 0] - outer.y) ** 2).sum()), self)

        self.X, self.y = np.ascontiguousarray(X), np.ascontiguousarray(y)
        self.curve: Curve = []
        self.best: Any = None
        # what scikit-learn loads at its first fit
        self.began = float("inf")
        Watched(
            hidden_layer_sizes=(self.width,), solver=self.solver, max_iter=1, early_stopping=self.early
        ).fit(self.X, self.y)
        self.curve, self.best, number = [], None, 0
        self.began = time.perf_counter()
        while True:
            options: dict[str, Any] = {"max_iter": 2000, "tol": 1e-8, "max_fun": 10**6}
            if self.solver == "adam":
                options = {"max_iter": 1000, "learning_rate_init": RATES[number % 4], "n_iter_no_change": 20}
            peer = Watched(
                hidden_layer_sizes=(self.width,), solver=self.solver, alpha=0.0, random_state=number,
                early_stopping=self.early, **options,
            )  # fmt: skip
            number += 1
            try:
                peer.fit(self.X, self.y)
            except Expired:
                self.peer = peer
                return self

    def seen(self, risk: float, peer: Any) -> None:
        """Record a risk and the network; ends the fit when the time is up."""
        now = time.perf_counter() - self.began
        if not self.curve or risk < self.curve[-1][1]:
            self.curve.append((now, risk))
            self.best = [[np.array(part) for part in parts] for parts in (peer.coefs_, peer.intercepts_)]
        if now >= self.seconds:
            raise Expired

    def predict(self, X: Any) -> Any:
        self.peer.coefs_, self.peer.intercepts_ = self.best
        return self.peer._forward_pass_fast(np.ascontiguousarray(X))[:, 0]


def chosen(most: int | None) -> Iterator[tuple[str, Any, Any]]:
    yield from list(tables())[:most]


def training(times: tuple[float, ...] = TIMES, widths: tuple[int, ...] = WIDTHS, most: int | None = None) -> None:
    """Least risk by each time."""
    print("training: table, m x dx, width: ours (lbfgs, adam) at each time, as shares of the least-squares risk")
    compare(_cells(max(times), widths, most), times)


def _cells(
    seconds: float, widths: tuple[int, ...], most: int | None
) -> Iterator[tuple[str, Curve, list[Curve]]]:
    for name, X, y in chosen(most):
        Z, target, linear = standardised(X, y)
        for width in widths:
            mine = ours(Z, target, width, seconds)
            peers = [Restarts(solver, width, seconds).fit(Z, target).curve for solver in ("lbfgs", "adam")]
            shares = [[(when, risk / linear) for when, risk in curve] for curve in peers]
            yield f"{name}, {X.shape[0]} x {X.shape[1]}, {width}", mine, shares


def left_out(model: Any, X: Any, y: Any, folds: Any) -> float:
    """Mean over the folds of squared errors, over those of the training rows' mean; scaled by the training rows alone."""
    shares = []
    for train, test in folds:
        centre, scale = X[train].mean(axis=0), X[train].std(axis=0)
        scale[scale == 0.0] = 1.0
        mean, spread = y[train].mean(), y[train].std() or 1.0
        model.fit((X[train] - centre) / scale, (y[train] - mean) / spread)
        rest = (y[test] - mean) / spread - model.predict((X[test] - centre) / scale)
        shares.append(float((rest**2).sum() / (((y[test] - mean) / spread) ** 2).sum()))
    return statistics.mean(shares)


def folds(seconds: float = FOLD_SECONDS, most: int | None = None) -> None:
    """Errors on rows left out, and whose is the least."""
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold

    from fastminima.sklearn import ReLURegressor

    models = {
        "ours": ReLURegressor(FOLD_WIDTH, method="search", seconds=seconds),
        "ours (one kink)": ReLURegressor(2, method="kink"),
        "lbfgs": Restarts("lbfgs", FOLD_WIDTH, seconds),
        "adam": Restarts("adam", FOLD_WIDTH, seconds),
        "adam (early stopping)": Restarts("adam", FOLD_WIDTH, seconds, early=True),
        "linear": LinearRegression(),
    }
    print(f"folds: table: 1 - R^2 on rows left out, width {FOLD_WIDTH}, {seconds:g} s a fit: {', '.join(models)}")
    ranks: dict[str, int] = dict.fromkeys(models, 0)
    beaten = dict.fromkeys(models, 0)
    for name, X, y in chosen(most):
        parts = list(KFold(FOLDS, shuffle=True, random_state=0).split(X))
        errors = {who: left_out(model, X, y, parts) for who, model in models.items()}
        ranks[min(errors, key=errors.__getitem__)] += 1
        for who, error in errors.items():
            beaten[who] += errors["ours"] <= error
        print(f"{name}: {', '.join(f'{error:.4f}' for error in errors.values())}", flush=True)
    print("least error on how many tables: " + ", ".join(f"{who} {n}" for who, n in ranks.items()))
    print(
        "ours at or below, of how many tables: "
        + ", ".join(f"{w} {n}" for w, n in beaten.items() if w != "ours")
    )


def quick() -> None:
    """Two tables, a fifth of a second."""
    training((0.1, 0.2), (2,), 2)
    folds(0.1, 1)


def main() -> None:
    # fits that the clock ends have not converged, and say so
    warnings.filterwarnings("ignore")
    for word in sys.argv[1:] or ["training", "folds"]:
        {"training": training, "folds": folds, "quick": quick}[word]()


if __name__ == "__main__":
    main()
