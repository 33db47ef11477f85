"""The version, in the one place that is not pyproject.toml."""

__version__ = "0.1.0"
