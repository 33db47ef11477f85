"""Text from outside, as a terminal may show it."""

import pytest

from fastminima.system.plain_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("price", "price"),
        ("prix d'été, 価格 🏠", "prix d'été, 価格 🏠"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("caf\udce9", "caf\\udce9"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\0", "a\\u2028b\\x00"),
    ],
)
def test_what_is_not_shown_as_itself_is_escaped(text, shown):
    assert printable(text) == shown
    printable(text).encode()


def test_some_may_stay():
    assert printable("a\nb\r", keep="\n") == "a\nb\\r"
