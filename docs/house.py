"""How the house is laid out, in four numbers read off the imports: `make house`.

Entries at the package's root; files; the longest chain of imports; the share of imports that stay inside their folder
(the root is none).
A short chain and a large share mean that a reader finds what a statement leans on near it.

    python docs/house.py [PACKAGE]     # a folder that holds a Python package; fastminima without it
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path


def modules_of(package: Path) -> dict[str, Path]:
    """Dotted names of the package's modules (of compiled ones too), relative to it."""
    found = {}
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.pyx")]):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, package: Path, modules: dict[str, Path]) -> set[str]:
    """The package's modules that one imports, anywhere in its text, also for types."""
    path = modules[name]
    if path.suffix == ".pyx":
        return set()
    parts = path.relative_to(package).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = [*parts[: len(parts) - node.level], *filter(None, [node.module])]
        elif (node.module or "").split(".")[0] == package.name:
            base = (node.module or "").split(".")[1:]
        else:
            continue
        for alias in node.names:
            target = ".".join([*base, alias.name])
            found.add(target if target in modules else ".".join(base))
    return found & set(modules) - {name}


def main() -> None:
    package = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "src" / "fastminima")
    modules = modules_of(package)
    # the package's own face imports everything: it is no step of a chain
    edges = {name: imports_of(name, package, modules) - {""} for name in modules if name}

    above: set[str] = set()  # where the walk stands: an arrow back into it closes a circle
    circles: set[tuple[str, str]] = set()

    @cache
    def chain(name: str) -> tuple[str, ...]:
        circles.update((name, below) for below in edges[name] & above)
        above.add(name)
        longest = max((chain(below) for below in sorted(edges[name] - above)), key=len, default=())
        above.discard(name)
        return (name, *longest)

    def folder(name: str) -> Path:
        return modules[name].parent

    arrows = [(name, below) for name in edges for below in edges[name]]
    inside = sum(folder(name) == folder(below) != package for name, below in arrows)
    longest = max(map(chain, edges), key=len)
    entries = [path for path in package.iterdir() if path.name != "__pycache__"]
    rooms = [path for path in entries if path.is_dir()]
    files = [path for path in modules.values() if path.suffix == ".py"]
    print(f"entries at the root   {len(entries)} ({len(rooms)} folders)")
    print(f"files                 {len(files)}")
    print(f"longest chain         {len(longest) - 1} steps: {' -> '.join(longest)}")
    print(f"circles               {len(circles)}{''.join(f' {a} <-> {b}' for a, b in sorted(circles))}")
    print(f"imports inside        {inside / len(arrows):.0%} of {len(arrows)} stay in their folder")


if __name__ == "__main__":
    main()
