"""Certificates of networks with several layers, by hand, and a slow judge of their claims: rationals, sample by sample."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction as F
from typing import Any

from mpmath import iv

from certificates_by_hand import RELU, Case, case, rational, solve, text_of

LEAKY = ["if", "t", "t", ["mul", "1/4", "t"]]
ELU = ["if", "t", "t", ["sub", ["exp", "t"], 1]]
# hard tanh, by its pieces
CLIPPED = ["if", ["sub", "t", 1], 1, ["if", ["add", "t", 1], "t", -1]]
# ends and lines of the pieces on which units can be
PIECES = {"relu": (0, None), "leaky": (0, None), "elu": (0, None), "clipped": (-1, 1)}
ACTIVATIONS = {
    "relu": (RELU, [0], 1),
    "leaky": (LEAKY, [0], 1),
    "elu": (ELU, [0], 1),
    "clipped": (CLIPPED, [-1, 1], 1),
}


def value(formula: Any, t: Any) -> Any:
    """h(t), exactly, or as an interval of mpmath where it holds e^t."""
    if formula == "t":
        return t
    if not isinstance(formula, list):
        return F(str(formula))
    name, *parts = formula
    if name == "if":
        c = value(parts[0], t)
        return value(parts[1] if c > 0 else parts[2], t)
    a, *rest = (value(part, t) for part in parts)
    if name == "exp":
        return iv.exp(in_interval(a))
    if any(isinstance(v, type(iv.mpf(1))) for v in (a, *rest)):
        a, rest = in_interval(a), [in_interval(v) for v in rest]
    return {"add": lambda: a + rest[0], "sub": lambda: a - rest[0], "mul": lambda: a * rest[0]}[name]()


def in_interval(v: Any) -> Any:
    return iv.mpf(v.numerator) / iv.mpf(v.denominator) if isinstance(v, F) else v


class Judge:
    """What is true of rows with some architecture and loss."""

    def __init__(self, words: dict[str, Any], rows: list[list[F]]) -> None:
        data, setting = words["data"], words["setting"]
        self.dx, dy = data["columns"], data["targets"]
        self.rows = [
            (row[: self.dx], row[self.dx : self.dx + dy], row[-1] if data["weighted"] else F(1))
            for row in rows
        ]
        self.formulas = [h["formula"] for h in setting["activations"]]
        self.breaks = [[rational(t) for t in h["breaks"]] for h in setting["activations"]]
        self.sizes = [self.dx, *setting["widths"], dy]
        self.delta = None if setting["loss"] == "squared" else rational(setting["loss"][1])
        assert len(self.formulas) == len(setting["widths"])

    def phi(self, r: Any) -> Any:
        r = abs(r)
        if self.delta is None or not r > self.delta:
            return r * r / 2
        return self.delta * r - self.delta**2 / 2 if isinstance(r, F) else float(self.delta) * r

    def slope(self, r: F) -> F:
        return r if self.delta is None else max(-self.delta, min(self.delta, r))

    def layers(self, words: Any) -> list[tuple[list[list[F]], list[F]]]:
        net = [
            ([[rational(v) for v in row] for row in layer["W"]], [*map(rational, layer["b"])])
            for layer in words
        ]
        shapes = [(len(b), [len(row) for row in W]) for W, b in net]
        assert shapes == [
            (rows, [columns] * rows) for columns, rows in zip(self.sizes, self.sizes[1:], strict=False)
        ]
        return net

    def forward(self, net: Any, x: list[F]) -> tuple[list[list[Any]], list[list[Any]], list[Any]]:
        """Activations before each layer, preactivations, outputs."""
        a, before, z = list(x), [], []
        for k, (W, b) in enumerate(net):
            before.append(a)
            rough = not all(isinstance(v, F) for v in a)
            W, b = ([[*map(in_interval, row)] for row in W], [*map(in_interval, b)]) if rough else (W, b)
            a = [*map(in_interval, a)] if rough else a
            z.append(
                [sum((w * v for w, v in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)]
            )
            a = [value(self.formulas[k], t) for t in z[-1]] if k < len(self.formulas) else z[-1]
        return before, z[:-1], a

    def loss(self, outputs: Any) -> Any:
        total: Any = F(0)
        for (_x, y, w), f in zip(self.rows, map(outputs, (x for x, _, _ in self.rows)), strict=True):
            for v, t in zip(f, y, strict=True):
                exact = isinstance(v, F)
                total = (total if exact else in_interval(total)) + (
                    w if exact else in_interval(w)
                ) * self.phi(v - (t if exact else in_interval(t)))
        return total

    def bound(self, claim: dict[str, Any]) -> F | None:
        """The loss of the map, if it is the least of all affine maps."""
        A = [
            [*map(rational, row), rational(b)]
            for row, b in zip(claim["coef"], claim["intercept"], strict=True)
        ]
        assert [len(row) for row in A] == [self.dx + 1] * self.sizes[-1]
        forces = [[F(0)] * (self.dx + 1) for _ in A]
        for x, y, w in self.rows:
            for k, (row, t) in enumerate(zip(A, y, strict=True)):
                g = w * self.slope(sum((c * v for c, v in zip(row, [*x, F(1)], strict=True)), -t))
                forces[k] = [f + g * v for f, v in zip(forces[k], [*x, F(1)], strict=True)]
        if any(any(row) for row in forces):
            return None
        self.slopes = [
            [
                w * self.slope(sum((c * v for c, v in zip(row, [*x, F(1)], strict=True)), -t))
                for row, t in zip(A, y, strict=True)
            ]
            for x, y, w in self.rows
        ]
        return self.loss(
            lambda x: [sum((c * v for c, v in zip(row, [*x, F(1)], strict=True)), F(0)) for row in A]
        )

    def stays(self, net: Any, pieces: list[int], R: F) -> bool:
        """The inequality of the proof, with roots that are right to 60 digits."""
        with localcontext() as context:
            context.prec = 60
            norms = []
            for W, _ in net[:-1]:
                n = [root(sum((v * v for v in row), F(0))) for row in W]
                columns = [sum((abs(row[j]) for row in W), F(0)) for j in range(len(W[0]))]
                sums = max(sum(map(abs, row), F(0)) for row in W) * max(columns, default=F(0))
                norms.append((n, root(min(sum((v * v for row in W for v in row), F(0)), sums))))
            for x, _, _ in self.rows:
                before, z, _ = self.forward(net, x)
                T = F(0)
                for k, (row, piece) in enumerate(zip(z, pieces, strict=True)):
                    ends = [None, *self.breaks[k], None][piece : piece + 2]
                    low, high = ends
                    middle = high - 1 if low is None else low + 1 if high is None else (low + high) / 2
                    slope = value(self.formulas[k], middle + F(1, 4)) - value(self.formulas[k], middle)
                    slope *= 4
                    S = 1 + sum((v * v for v in before[k]), F(0))
                    for t, n in zip(row, norms[k][0], strict=True):
                        rooms = ([] if low is None else [t - low]) + ([] if high is None else [high - t])
                        if any(d <= 0 or R**2 * (S + (n + R) ** 2 * T) >= d * d for d in rooms):
                            return False
                    T = slope**2 * (S + (norms[k][1] + R) ** 2 * T)
        return True


def root(x: F) -> F:
    return F((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def layers_true(words: dict[str, Any], rows: list[list[F]]) -> bool:
    judge, bound = Judge(words, rows), None
    for claim in words["claims"]:
        name = claim["claim"]
        if name == "affine bound":
            bound = judge.bound(claim)
            if bound is None or bound != rational(claim["loss"]):
                return False
            continue
        if bound is None:
            return False
        if name == "no lower risk within":
            net, R = judge.layers(claim["layers"]), rational(claim["radius"])
            if R <= 0 or not judge.stays(net, claim["pieces"], R):
                return False
            if judge.loss(lambda x, net=net: judge.forward(net, x)[2]) - bound > rational(claim["excess"]):
                return False
        elif name == "lower risk":
            net = judge.layers(claim["layers"])
            loss = judge.loss(lambda x, net=net: judge.forward(net, x)[2])
            drop = rational(claim["drop"])
            enough = (
                bound - loss >= drop
                if isinstance(loss, F)
                else in_interval(bound) - loss >= in_interval(drop)
            )
            if drop <= 0 or not enough:
                return False
        elif name == "linearly fittable":
            if bound:
                return False
        else:
            sums: dict[tuple[F, ...], list[F]] = {}
            for (x, _, _), g in zip(judge.rows, judge.slopes, strict=True):
                sums[tuple(x)] = [a + b for a, b in zip(sums.get(tuple(x), [F(0)] * len(g)), g, strict=True)]
            if any(any(v) for v in sums.values()):
                return False
    return True


def words_of(net: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
    return [{"W": text_of(W), "b": text_of(b)} for W, b in net]


def in_cell(
    rows: Any, dx: int, A: list[list[F]], widths: list[int], ends: tuple[Any, Any]
) -> list[tuple[Any, Any]]:
    """A network of units with slope 1 and offset 0 on their piece, that is the affine map A."""
    _low, high = ends
    most = max([abs(v) for row in rows for v in row[:dx]] + [F(1)])
    middle, s = (F(0), F(1) / (4 * most)) if high is not None else (4 * most, F(1))
    W = [[s if i == j else F(0) for j in range(dx)] for i in range(widths[0])]
    net = [(W, [middle] * widths[0])]
    for width, before in zip(widths[1:], widths, strict=False):
        carried = [[F(i == j and i < dx) for j in range(before)] for i in range(width)]
        net.append((carried, [F(0) if i < dx else middle for i in range(width)]))
    V = [[row[j] / s if j < dx else F(0) for j in range(widths[-1])] for row in A]
    return [*net, (V, [row[-1] - sum(row[:dx]) * middle / s for row in A])]


def layers(
    name: str,
    rows: list[list[Any]],
    shape: tuple[int, int, bool],
    widths: list[int],
    better: Any = None,
    huber: Any = None,
) -> Case:
    """Bound, cell and perhaps a better network; with `huber` (delta, map), Huber's loss and its best affine map."""
    dx, dy, weighted = shape
    exact = [[F(v) for v in row] for row in rows]
    w = [row[-1] if weighted else F(1) for row in exact]
    X = [[*row[:dx], F(1)] for row in exact]
    gram = [
        [sum(wi * x[i] * x[j] for x, wi in zip(X, w, strict=True)) for j in range(dx + 1)]
        for i in range(dx + 1)
    ]
    A = []
    for k in range(dy):
        right = [
            sum(wi * x[i] * row[dx + k] for x, wi, row in zip(X, w, exact, strict=True))
            for i in range(dx + 1)
        ]
        A.append(solve(gram, right))
    delta, A = huber or (None, A)
    formula, breaks, piece = ACTIVATIONS[name]
    setting = {
        "activations": [{"formula": formula, "breaks": text_of(breaks)}] * len(widths),
        "widths": widths,
        "loss": "squared" if delta is None else ["huber", text_of(delta)],
    }
    bound = {
        "claim": "affine bound",
        "coef": text_of([row[:-1] for row in A]),
        "intercept": text_of([row[-1] for row in A]),
    }
    made = case(1, rows, shape, setting, [bound])
    judge = Judge(made.words, exact)
    bound["loss"] = text_of(judge.bound(bound))
    net = in_cell(exact, dx, A, widths, PIECES[name])
    low, high = F(0), F(8)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if judge.stays(net, [piece] * len(widths), middle) else (low, middle)
    near = {"claim": "no lower risk within", "layers": words_of(net), "pieces": [piece] * len(widths)}
    claims = [bound, near | {"radius": text_of(low), "excess": "0"}]
    if better is not None:
        drop = (
            F(1, 2)
            if name == "elu"
            else rational(bound["loss"]) - judge.loss(lambda x: judge.forward(better, x)[2])
        )
        claims.append({"claim": "lower risk", "layers": words_of(better), "drop": text_of(drop)})
    return case(1, rows, shape, setting, claims)


def folded(widths: list[int], dy: int, scale: F = F(1)) -> list[tuple[Any, Any]]:
    """|x| from two units that bend at 0, carried on; k |x| in output k."""
    first = [[F(1)], [F(-1)], *([[F(0)]] * (widths[0] - 2))]
    net = [(first, [F(0)] * widths[0])]
    for width, before in zip(widths[1:], widths, strict=False):
        net.append(([[F(i == j and i < 2) for j in range(before)] for i in range(width)], [F(0)] * width))
    out = [[scale * (k + 1) if j < 2 else F(0) for j in range(widths[-1])] for k in range(dy)]
    return [*net, (out, [F(0)] * dy)]


def layers_cases() -> dict[str, Case]:
    absolute = [[float(x), abs(float(x)), 2.0 * abs(x)] for x in (-3, -2, -1, 0, 1, 2, 3)]
    one = [row[:2] for row in absolute]
    weighted = [[*row, w] for row, w in zip(absolute, (1.0, 2.0, 0.5, 1.0, 3.0, 0.25, 1.0), strict=True)]
    thirds = [[F(row[0]), F(row[1]) / 3] for row in one]
    line = [[float(x), 0.5, 2.0 * x + 1.0] for x in range(4)]
    repeats = [[x, sign * y] for x, y in ((0.0, 0.5), (1.0, 1.0), (2.0, 0.25)) for sign in (1, -1)]
    fittable = layers("relu", line, (2, 1, False), [2])
    fittable.words["claims"].append({"claim": "linearly fittable"})
    scattered = layers("leaky", repeats, (1, 1, False), [1, 2])
    scattered.words["claims"].append({"claim": "pure error"})
    # by symmetry Huber's slope is 0; 2 (9 - 2 > 2) twice, and 0 - 1 - 2 - 1 + 0, balance about 2
    far = [[float(x), y] for x, y in zip(range(-3, 4), (9.0, 2, 1, 0, 1, 2, 9), strict=True)]
    return {
        "two layers": layers("relu", absolute, (1, 2, False), [2, 2], folded([2, 2], 2)),
        "weighted": layers("leaky", weighted, (1, 2, True), [3, 2], folded([3, 2], 2)),
        "three layers": layers("relu", thirds, (1, 1, False), [2, 3, 2], folded([2, 3, 2], 1, F(1, 3))),
        "elu": layers("elu", one, (1, 1, False), [2, 2], folded([2, 2], 1, F(5, 4))),
        "clipped": layers("clipped", [[F(v) / 4 for v in row] for row in one], (1, 1, False), [2], None),
        "fittable": fittable,
        "scattered": scattered,
        "huber": layers("relu", far, (1, 1, False), [2], folded([2], 1), (F(2), [[F(0), F(2)]])),
    }
