"""Go's idea of letters: upper and lower case one character at a time, and what a space is.

Go maps each character to one character; Python follows the language (ß becomes SS, a sigma at the
end of a word changes). For plain ASCII both agree and Python's own methods are used.

This module knows characters, not functions.
"""

from __future__ import annotations

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + ("\u2028\u2029\u202f\u205f\u3000")
)
"""Every character that Go's unicode.IsSpace accepts (Python's strip() takes four more)."""


def upper(text: str) -> str:
    """Go's strings.ToUpper."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def lower(text: str) -> str:
    """Go's strings.ToLower."""
    return text.lower() if text.isascii() else "".join(map(_lower, text))


def title_words(text: str) -> str:
    """Go's strings.Title: the first letter of each word in title case, the rest untouched."""
    done: list[str] = []
    previous = " "
    for letter in text:
        done.append(_title(letter) if _separates(previous) else letter)
        previous = letter
    return "".join(done)


def _upper(letter: str) -> str:
    changed = letter.upper()
    # Where the full mapping has two characters, the single one (if any) is the title case.
    return changed if len(changed) == 1 else _title(letter)


def _lower(letter: str) -> str:
    changed = letter.lower()
    return changed if len(changed) == 1 else changed[0]


def _title(letter: str) -> str:
    changed = letter.title()
    return changed if len(changed) == 1 else letter


def _separates(letter: str) -> bool:
    if letter.isascii():
        return not (letter.isalnum() or letter == "_")
    return letter in SPACES
