"""What formulas ask of an arithmetic and python-flint's numbers have as methods: balls and their series alike."""

from __future__ import annotations

from typing import Any

__all__ = ["FlintFunctions"]


class FlintFunctions:
    """Elementary functions of the numbers themselves."""

    def sqrt(self, x: Any) -> Any:
        return x.sqrt()

    def exp(self, x: Any) -> Any:
        return x.exp()

    def log(self, x: Any) -> Any:
        return x.log()

    def sin(self, x: Any) -> Any:
        return x.sin()

    def cos(self, x: Any) -> Any:
        return x.cos()

    def atan(self, x: Any) -> Any:
        return x.atan()

    def erf(self, x: Any) -> Any:
        return x.erf()
