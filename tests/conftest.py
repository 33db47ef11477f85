"""Hypothesis profiles: the suite draws the same examples every time, `make verify` new and many more."""

from __future__ import annotations

import os

# figures without a display, and one BLAS thread before NumPy loads: small matrices and two cores
os.environ.setdefault("MPLBACKEND", "Agg")
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("verify", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("verify" if os.environ.get("FASTMINIMA_VERIFY") else "suite")
