"""Text from outside (names of files and columns, messages of other libraries) as text that a terminal only shows.

Names may hold what moves the cursor, changes colours or the order of what is read, or is no character at all (a byte
of a file name that is not UTF-8 arrives as a lone surrogate). Such characters are shown as their escapes.
"""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

# control characters, lone surrogates, and the separators that some terminals and editors take for the end of a line
_ESCAPED = frozenset(("Cc", "Cs", "Zl", "Zp"))
# what changes the direction of reading; joiners, which names in many scripts need, stay
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def printable(text: str, *, keep: str = "") -> str:
    """The text with each character that is not shown as itself written as an escape: newline as \\n, ESC as \\x1b.

    Parameters
    ----------
    text : str
    keep : str
        Characters that stay whatever they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape", "backslashreplace").decode()
        if (unicodedata.category(character) in _ESCAPED or character in _DIRECTIONS) and character not in keep
        else character
        for character in text
    )
