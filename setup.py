"""Builds the kernels. All other metadata stands in pyproject.toml."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

KERNELS = Path("src/fastminima/kernels")
# what every module with memoryviews would otherwise compile for itself, 25,000 lines, stands in one module
SHARED = "fastminima.kernels._cyutility"
# the longest to compile come first, so that no core waits for them at the end
LONGEST = ("_perturb", "_smooth", "_forward", "_screen", "_cyutility")

# -ffp-contract=off: a compiler that fuses a*b+c on its own would make results differ between builds
# and break the error-free transformations; never fast-math, never a flag for the build machine's own CPU.
# The loops of the kernels want -O3 (the direct probe in float32 takes twice as long with -O2); SHARED has none.
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

# `make wheel`: one wheel for every CPython from 3.11 on, through the limited API of 3.11. Measured over seven uses from 24
# microseconds to 0.2 s it costs 0 to 2 %, and 3 % in a call of 24 microseconds. Off otherwise, so that a module left in the
# tree under the one name never hides a newer one under the other. Free-threaded builds have no limited API.
ABI3 = bool(os.environ.get("FASTMINIMA_ABI3")) and not sysconfig.get_config_var("Py_GIL_DISABLED")
MACROS = [("CYTHON_WITHOUT_ASSERTIONS", "1")] + ([("Py_LIMITED_API", "0x030b0000")] if ABI3 else [])

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


def headers(source: Path) -> set[Path]:
    """Those that `source` names between quotation marks, those that they name, and so on: what it is built anew after."""
    found: set[Path] = set()
    named = [source, source.with_suffix(".pxd")]
    while named:
        path = named.pop()
        if path.exists() and path not in found:
            found.add(path)
            named += [KERNELS / name for name in re.findall(r'"(\w+\.h)"', path.read_text())]
    return {path for path in found if path.suffix == ".h"}


def extension(stem: str, source: Path) -> Extension:
    cold = ["-O2" if flag == "-O3" else flag for flag in CFLAGS]
    return Extension(
        f"fastminima.kernels.{stem}",
        [str(source)],
        include_dirs=[str(KERNELS)],
        depends=sorted(map(str, headers(source))),
        extra_compile_args=cold if SHARED.endswith(stem) else CFLAGS,
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
        define_macros=MACROS,
        py_limited_api=ABI3,
    )


def extensions() -> list[Extension]:
    """All of them, those with most to compile first."""
    sources = {path.stem: path for path in sorted(KERNELS.glob("*.pyx"))}
    sources[SHARED.rpartition(".")[2]] = KERNELS / "_cyutility.c"
    order = sorted(sources, key=lambda stem: LONGEST.index(stem) if stem in LONGEST else len(LONGEST))
    return [extension(stem, sources[stem]) for stem in order]


def translate(modules: list[Extension]) -> None:
    """From .pyx to C, where that is older. A source distribution brings its C files and does without Cython."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        for module in modules:
            module.sources = [str(Path(source).with_suffix(".c")) for source in module.sources]
        missing = [source for module in modules for source in module.sources if not Path(source).exists()]
        # in a checkout a C file may be one of an older .pyx
        if missing or not Path("PKG-INFO").exists():
            sys.exit("building fastminima from a checkout needs Cython: pip install 'Cython>=3.2.1'")
        return
    translated = cythonize(
        modules,
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        force=bool(os.environ.get("FASTMINIMA_FORCE_CYTHONIZE")),
    )
    sources = {module.name: module.sources for module in translated}
    for module in modules:
        module.sources = sources[module.name]


class BuildKernels(build_ext):
    """Translates only when something is built, and compiles as many modules at once as there are cores."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            affinity = getattr(os, "sched_getaffinity", None)
            self.parallel = len(affinity(0)) if affinity else os.cpu_count()

    def run(self) -> None:
        translate(self.extensions)
        super().run()


class WithC(sdist):
    """The .pyx files and the C made from them."""

    def make_distribution(self) -> None:
        modules = extensions()
        translate(modules)
        self.filelist.extend(source for module in modules for source in module.sources)
        super().make_distribution()


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildKernels, "sdist": WithC},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
