"""The values a template works with, beyond plain JSON, and the refusals about them.

Go tells two kinds of nothing apart, so we do: None is a nil inside a map or list (an interface that
holds nothing), MISSING is no value at all (a missing key, or a nil after a pipeline). Printing and
truth treat them alike; looking for a field inside them does not.
"""

from __future__ import annotations

from typing import Final

from subscriber.model.reason import Reason

MAX_OUTPUT = 1 << 20
"""Characters one rendering, and one text made on the way, may have."""


class Missing:
    """The type of MISSING."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Uint8(int):
    """A byte of a string, as ``index "abc" 0`` gives it: Go's uint8."""

    __slots__ = ()


class Encoded(str):
    """Text that already knows its JSON: what toJson, quote and printf "%q" return.

    As text it is an ordinary str. In value position of a JSON template `json` is written instead
    of encoding the text once more; inside a string literal its text is escaped like any other.
    `json` must be one complete, valid JSON value.
    """

    __slots__ = ("json",)
    json: str

    def __new__(cls, text: str, json: str) -> Encoded:
        """Make `text`, whose JSON is `json` (for toJson they are the same)."""
        encoded = str.__new__(cls, text)
        encoded.json = json
        return encoded


class FunctionError(Exception):
    """A function cannot use its arguments; the text is one sentence without a final stop."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Fault(Exception):
    """A refusal at run time; the engine turns it into a TemplateError.

    Attributes:
        message: one sentence without a final stop.
        offset: where in the template, or None: at the action being rendered.
        hint: what to do about it.
        reason: TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
    """

    def __init__(
        self,
        message: str,
        offset: int | None = None,
        hint: str = "",
        reason: Reason = Reason.TEMPLATE_EXECUTION,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint
        self.reason = reason


def too_long() -> Fault:
    """The refusal of an output beyond MAX_OUTPUT."""
    return Fault(
        f"the text would be longer than {MAX_OUTPUT} characters", reason=Reason.TEMPLATE_LIMIT
    )


_TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint8: "uint8",
    float: "float64",
    str: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    type(None): "<nil>",
    Missing: "<nil>",
}


def type_name(value: object) -> str:
    """Go's name of the value's type, e.g. ``float64`` or ``map[string]interface {}``."""
    for kind in type(value).__mro__:
        if kind in _TYPE_NAMES:
            return _TYPE_NAMES[kind]
    return type(value).__name__


def to_bytes(text: str) -> bytes:
    """The UTF-8 of a text; bytes that were no UTF-8 come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate, which Go's JSON decoder replaces
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def from_bytes(data: bytes) -> str:
    """The text of bytes; bytes that are no UTF-8 become surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")


def clean(text: str) -> str:
    """A finished text without surrogates: each broken sequence becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return to_bytes(text).decode("utf-8", "replace")
    return text
