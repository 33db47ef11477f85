"""Write the table of theorem 2's witnesses anew, by the searches alone: `python docs/witnesses.py`."""

from pathlib import Path

from fastminima import activations, counterexample
from fastminima.theorems.theorem2 import witnesses

PAGE = Path(witnesses.__file__)
START, END = "Entry] = {\n", "}\n# fmt: on\n"


def rows() -> list[str]:
    witnesses._FOUND.clear()
    lines = {}
    for name, entry in activations().items():
        for form in ("paper", "bias"):
            found = counterexample(entry.make(), form)
            if found.certified:
                # python spells a float64 number so that it comes back
                zero, flat = (tuple(found.witness[part].values()) for part in ("zero", "flat"))
                key = (str(found.activation), form)
                text = (
                    f"    {key!r}: (\n        {name!r}, {zero!r},\n        {flat!r},\n"
                    f"        {found.case!r}, {found.radius_estimate!r}, {found.radius!r},\n    ),\n"
                )
                lines.setdefault(key, text.replace("'", '"'))
    return list(lines.values())


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    PAGE.write_text(f"{head}{START}{''.join(rows())}{END}{rest.split(END)[1]}", encoding="utf-8")
