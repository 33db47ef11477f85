"""What a result leads on to: the library's next step from where it stands.

Results of theorems and of the landscape alike are a network on its data, and the next question is the same for all of
them: is it a minimum, what lies around it, where does a walk down end, how does it look? The answers live on higher
floors than the results, which must not import them. So these methods call the library by its public names, as a user
would: `import fastminima` imports nothing, and a name is looked up when a method is called (PEP 562). This module and
`system.results` are the only ones below the command line that do so; a test holds them to that.
"""

from __future__ import annotations

import os
from typing import IO, Any, ClassVar

import fastminima
from fastminima.system.results import Result

from .given import as_exact_network, data_of
from .rational_network import RationalNetwork

__all__ = ["Drawn", "NextSteps"]


class Drawn:
    """What has a picture of its own."""

    __slots__ = ()
    # the function of the library that draws it
    _picture: ClassVar[str]

    def plot(
        self, path: str | os.PathLike[str] | IO[bytes] | None = None, title: str | None = None, **options: Any
    ) -> Any:
        """The picture of this result, by the function of the library that draws its kind, with that function's options.

        `fastminima.plot_slice` around its network; but a `Polish` is drawn by `fastminima.plot_descent`, a `Bracket` by
        `fastminima.plot_bracket`, a `Probe` or `ProbeSweep` by `fastminima.plot_probe`, a `ScanReport` by
        `fastminima.plot_scan`, a `LinearReport` by `fastminima.plot_linear`.

        Raises
        ------
        NetworkError
            The picture is around a network, and the result has none.
        """
        return getattr(fastminima, self._picture)(self, path=path, title=title, **options)


class NextSteps(Result, Drawn):
    """Methods of every result that has a `network` and `data`."""

    __slots__ = ()
    _picture: ClassVar[str] = "plot_slice"

    def decide(
        self, *, ball: float | None = None, weight_decay: float | None = None
    ) -> fastminima.Decision | fastminima.SmoothDecision:
        """`fastminima.decide` at this network (the exact one, where there is one): is it a local minimum?

        With the result's own weight decay, where it has one and no other is given.

        Raises
        ------
        NetworkError
            The result has no network, or one whose activation is not covered.
        """
        return fastminima.decide(self._itself(), ball=ball, weight_decay=_decay(self, weight_decay))

    def polish(
        self, *, leave_off_units: bool = False, weight_decay: float | None = None
    ) -> fastminima.Polish | fastminima.SmoothPolish:
        """`fastminima.polish` from this network: down to an exact local minimum; weight decay as in `decide`.

        Raises
        ------
        NetworkError
            As `decide`.
        """
        decay = _decay(self, weight_decay)
        return fastminima.polish(self._itself(), leave_off_units=leave_off_units, weight_decay=decay)

    def _itself(self) -> Any:
        """The result that this is a part of, which has a network."""
        return self

    def probe(self, **options: Any) -> fastminima.Probe | fastminima.ProbeSweep:
        """`fastminima.probe` around this network (rounded to float64 where it is rational), with its options.

        Raises
        ------
        NetworkError
            As `decide`.
        """
        network = as_exact_network(self, "probe")
        point = network.rounded() if isinstance(network, RationalNetwork) else network
        return fastminima.probe(point, data_of(None, "probe", self), **options)

    def prove(self, other: Any = None, *, verify: bool | None = None) -> fastminima.Certificate:
        """`fastminima.prove` of this result, with what stands beside it there (a minimum's better point), if any.

        Raises
        ------
        ProofError
            A claim does not hold, or is of a kind without certificate.
        """
        return fastminima.prove(self._itself(), other, verify=verify)


def _decay(result: NextSteps, given: float | None) -> float:
    return getattr(result, "weight_decay", 0.0) if given is None else given
