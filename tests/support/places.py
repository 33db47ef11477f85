"""Where tests find files: the checkout and the tables of NIST."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NIST = ROOT / "tests" / "support" / "nist"
