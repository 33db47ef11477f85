"""What type checkers know of the public callables: every parameter has a type, and words have their Literal."""

import inspect
import re

import pytest

import fastminima as fm

# a dtype of torch: importing its types would cost every check of types half a minute
TORCH = {"dtype"}
# what stands in a docstring as one of some words
WORDS = re.compile(r'^ *(\w+(?:, \w+)*) : \{"', re.MULTILINE)
LOOSE = re.compile(r"(Any|object)( \| None)?")


def documented():
    """(name, function, docstring) of all public functions, classes and methods."""
    for name in fm.__all__:
        value = getattr(fm, name)
        if inspect.isclass(value):
            if issubclass(value, Exception):
                continue
            for method, held in vars(value).items():
                function = held.__func__ if isinstance(held, classmethod | staticmethod) else held
                if inspect.isfunction(function) and (method == "__init__" or not method.startswith("_")):
                    doc = value.__doc__ if method == "__init__" else function.__doc__
                    yield f"{name}.{method}", function, doc or ""
        elif inspect.isfunction(value):
            yield name, value, value.__doc__ or ""


PUBLIC = list(documented())


def test_there_is_something_to_look_at():
    assert len(PUBLIC) > 150
    assert sum(bool(WORDS.search(doc)) for _, _, doc in PUBLIC) > 10


@pytest.mark.parametrize("name", [name for name, _, _ in PUBLIC])
def test_parameters_have_types(name):
    [(function, doc)] = [(f, d) for n, f, d in PUBLIC if n == name]
    words = {word for found in WORDS.findall(doc) for word in found.split(", ")}
    made = name.endswith(".__init__") and "__dataclass_fields__" in vars(getattr(fm, name.split(".")[0]))
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in {"self", "cls", *TORCH} or parameter.kind is parameter.VAR_KEYWORD:
            continue
        said = parameter.annotation
        shown = said if isinstance(said, str) else getattr(said, "__name__", str(said))
        assert said is not parameter.empty, f"{name}: {parameter.name} has no type"
        # results are made by the library: what they hold is checked where it is made
        assert made or not LOOSE.fullmatch(shown), f"{name}: {parameter.name} may be anything ({shown})"
        if parameter.name in words:
            assert not re.search(r"\bstr\b", shown), f"{name}: some words alone fit {parameter.name}, not every {shown}"
