"""Builds the kernels. All other metadata stands in pyproject.toml."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("src/fastminima/kernels")

# -ffp-contract=off: a compiler that fuses a*b+c on its own would make results differ between builds
# and break the error-free transformations; never fast-math, never a flag for the build machine's own CPU.
CFLAGS = (
    ["/O2"]
    if sys.platform == "win32"
    else ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"]
)

# `make sanitize`: the same arithmetic, and an abort at the first bad address or undefined operation. Its files go where
# the command line's --build-base says, so the development build is left as it is.
SANITIZE = bool(os.environ.get("FASTMINIMA_SANITIZE"))
if SANITIZE:
    CFLAGS = [flag for flag in CFLAGS if flag not in ("-O3", "-g0")]
    # Python's own flags say -fwrapv, which would excuse every overflow of a signed integer
    CFLAGS += ["-fno-wrapv", "-O1", "-g1", "-fno-omit-frame-pointer"]
    CFLAGS += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    "autotestdict": False,
}

headers = sorted(str(p) for p in KERNELS.glob("*.h"))
extensions = [
    Extension(
        f"fastminima.kernels.{path.stem}",
        [str(path)],
        include_dirs=[str(KERNELS)],
        depends=headers,
        extra_compile_args=CFLAGS,
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
        define_macros=[("CYTHON_WITHOUT_ASSERTIONS", "1")],
    )
    for path in sorted(KERNELS.glob("*.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives=DIRECTIVES,
        force=bool(os.environ.get("FASTMINIMA_FORCE_CYTHONIZE")),
    )
)
