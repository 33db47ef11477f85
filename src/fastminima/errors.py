"""Named failures, and the one warning.

Every message says what was expected, what came, and what to do. Each class also is the built-in exception
that NumPy and scikit-learn users catch (`ValueError`, `TypeError`, `OSError`, `MemoryError`).
"""

from __future__ import annotations

__all__ = [
    "ActivationError",
    "CertificateError",
    "ClusterError",
    "DataError",
    "DataTypeError",
    "EffortWarning",
    "FastMinimaError",
    "LossError",
    "MissingDependencyError",
    "MissingFileError",
    "NetworkError",
    "OptionError",
    "OutputError",
    "ProofError",
    "ReadError",
    "TargetError",
    "TooLargeError",
]


class FastMinimaError(Exception):
    """Base of every error the library raises on purpose."""


class DataError(FastMinimaError, ValueError):
    """The values or shapes of the data are not usable (NaN, inf, no rows, lengths that differ)."""


class DataTypeError(FastMinimaError, TypeError):
    """The data are of a type that has no exact meaning as real numbers (strings, complex, dates, sparse)."""


class ActivationError(FastMinimaError, ValueError):
    """No such activation, a parameter out of its range, a function or formula that is not usable or contradicts itself."""


class NetworkError(FastMinimaError, ValueError):
    """The parameters of a network, or a width or scale asked for, are not usable."""


class LossError(FastMinimaError, ValueError):
    """A loss is not usable: its parameters, its targets, its shape, or a gradient that is not its value's."""


class OptionError(FastMinimaError, ValueError):
    """An option is none of its values or out of its range (method, reach, workers)."""


class TargetError(FastMinimaError, ValueError):
    """The target column is missing or cannot be told from the others, or there are several where one is meant."""


class ReadError(FastMinimaError, ValueError):
    """A file is empty, truncated, not what its suffix says, or holds text where numbers belong."""


class OutputError(FastMinimaError, OSError):
    """Results cannot be written where they were asked for."""


class ProofError(FastMinimaError, ValueError):
    """A statement has no certificate: it is not decided, or it is of a kind the checker does not know."""


class MissingDependencyError(FastMinimaError, ImportError):
    """An optional package is needed for this; the message names the extra to install."""


class TooLargeError(FastMinimaError, MemoryError):
    """The result would not fit in memory; raised before anything is allocated."""


class MissingFileError(ReadError, FileNotFoundError):
    """There is no such file; the message names files like it."""


class CertificateError(ReadError):
    """A file is no certificate, cut short, or of a version this library does not know."""


class EffortWarning(UserWarning):
    """An exact computation is large: what it would take, and what is done instead; said before it starts."""


class ClusterError(FastMinimaError, ConnectionError):
    """There is no cluster where one was asked for, or it went away."""
