"""printf: Go's fmt.Sprintf for JSON values.

Rules: verbs, flags, widths, precisions, stars and argument indexes as the fmt package documents
them, with its own words for mistakes (``%!d(string=x)``, ``%!s(MISSING)``, ``%!(EXTRA int=1)``,
``%!(NOVERB)``, ``%!(BADINDEX)``, ``%!(BADWIDTH)``, ``%!(BADPREC)``). The only difference: ``%p`` of
a map or list has no address to show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from subscriber.template.semantics.floats import format_float
from subscriber.template.semantics.quote import can_backquote, quote
from subscriber.template.semantics.show import show, sorted_keys
from subscriber.template.semantics.values import (
    MAX_OUTPUT,
    MISSING,
    Uint8,
    to_bytes,
    too_long,
    type_name,
)

_LARGEST = 1_000_000  # a larger width or precision is refused by fmt too
_BASES = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "x": "0x", "X": "0X"}
_FLOAT_VERBS = {"v": ("g", -1), "F": ("f", 6)} | {
    verb: (verb, 6 if verb in "feE" else -1) for verb in "bgGxXfeE"
}
_MAX_RUNE = 0x10FFFF
_LONGEST_SIMPLE = 500


@dataclass(slots=True)
class _Flags:
    """One directive: flags, width and precision (None: not given)."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    sharp_v: bool = False
    width: int | None = None
    precision: int | None = None

    def pad(self, text: str, *, zero: bool = True) -> str:
        """Pad to the width, with zeros on the left when asked and allowed."""
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.minus:
            return text + " " * missing
        return ("0" if self.zero and zero else " ") * missing + text


_SIMPLE = re.compile(r"(?:[^%]|%[svd])*\Z")


def sprintf(template: str, arguments: Sequence[object]) -> str:
    """fmt.Sprintf."""
    pieces = _simple(template)
    if pieces is not None and len(pieces) == 2 * len(arguments) + 1:
        text = _filled(pieces, arguments)
        if text is not None:
            return text
    return _Printer(template, arguments).run()


@lru_cache(maxsize=512)
def _simple(template: str) -> tuple[str, ...] | None:
    """A format of bare %s, %v and %d only: texts, with the verbs between them."""
    if len(template) > _LONGEST_SIMPLE or not _SIMPLE.match(template):
        return None
    return tuple(re.split("%([svd])", template))


def _filled(pieces: tuple[str, ...], arguments: Sequence[object]) -> str | None:
    """A simple format filled in, None when an argument needs more than printing."""
    out = list(pieces)
    for place, value in enumerate(arguments):
        verb = out[2 * place + 1]
        if isinstance(value, str):
            if verb == "d":
                return None
            out[2 * place + 1] = value
        elif verb == "v" or (verb == "d" and type(value) is int):
            out[2 * place + 1] = show(value)
        else:
            return None
    if sum(map(len, out)) > MAX_OUTPUT:
        raise too_long()
    return "".join(out)


class _Printer:
    def __init__(self, template: str, arguments: Sequence[object]) -> None:
        self.template = template
        self.arguments = arguments
        self.argument = 0
        self.reordered = False
        self.good = True
        self.out: list[str] = []
        self.length = 0

    def write(self, text: str) -> None:
        self.length += len(text)
        if self.length > MAX_OUTPUT:
            raise too_long()
        self.out.append(text)

    def run(self) -> str:
        template, position = self.template, 0
        while True:
            percent = template.find("%", position)
            if percent < 0:
                self.write(template[position:])
                break
            if percent > position:
                self.write(template[position:percent])
            position = self.directive(percent + 1)
        if not self.reordered and self.argument < len(self.arguments):
            extra = [
                "<nil>" if _is_nil(value) else f"{type_name(value)}={show(value)}"
                for value in self.arguments[self.argument :]
            ]
            self.write(f"%!(EXTRA {', '.join(extra)})")
        return "".join(self.out)

    def directive(self, position: int) -> int:
        """Write one directive that starts behind its percent sign; returns where it ends."""
        template = self.template
        end = len(template)
        self.good = True
        flags = _Flags()
        while position < end and (name := _FLAG_NAMES.get(template[position])):
            setattr(flags, name, True)
            position += 1
        position, indexed = self.index(position)
        if position < end and template[position] == "*":
            position += 1
            width = self.star()
            if width is None:
                self.write("%!(BADWIDTH)")
            elif width < 0:
                flags.width, flags.minus, flags.zero = -width, True, False
            else:
                flags.width = width
            indexed = False
        else:
            flags.width, position = self.number(position)
            if indexed and flags.width is not None:
                self.good = False
        if position + 1 < end and template[position] == ".":
            position += 1
            if indexed:
                self.good = False
            position, indexed = self.index(position)
            if position < end and template[position] == "*":
                position += 1
                precision = self.star()
                flags.precision = precision if precision is not None and precision >= 0 else None
                if flags.precision is None:
                    self.write("%!(BADPREC)")
                indexed = False
            else:
                precision, position = self.number(position)
                flags.precision = precision or 0
        if not indexed:
            position, indexed = self.index(position)
        if position >= end:
            self.write("%!(NOVERB)")
            return end
        self.verb(template[position], flags)
        return position + 1

    def verb(self, verb: str, flags: _Flags) -> None:
        if verb == "%":
            self.write("%")
        elif not self.good:
            self.write(f"%!{verb}(BADINDEX)")
        elif self.argument >= len(self.arguments):
            self.write(f"%!{verb}(MISSING)")
        else:
            if verb in "vw":
                flags.sharp_v, flags.sharp, flags.plus = flags.sharp, False, False
            value = self.arguments[self.argument]
            self.argument += 1
            self.write(_argument(value, verb, flags))

    def number(self, position: int) -> tuple[int | None, int]:
        """The digits standing here; a number beyond all use ends the template, as in fmt."""
        template, value, start = self.template, 0, position
        while position < len(template) and template[position] in "0123456789":
            if value > _LARGEST:
                return None, len(template)
            value = value * 10 + int(template[position])
            position += 1
        return (value if position > start else None), position

    def star(self) -> int | None:
        if self.argument >= len(self.arguments):
            return None
        value = self.arguments[self.argument]
        self.argument += 1
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
            return None
        return value

    def index(self, position: int) -> tuple[int, bool]:
        """An argument index such as ``[2]``, when one stands here."""
        template = self.template
        if template[position : position + 1] != "[":
            return position, False
        self.reordered = True
        close = template.find("]", position)
        if close < 0 or len(template) - position < 3:
            self.good = False
            return position + 1, False
        digits = template[position + 1 : close]
        valid = digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) <= 7
        index = int(digits) - 1 if valid else -1
        if valid and 0 <= index < len(self.arguments):
            self.argument = index
            return close + 1, True
        self.good = False
        return close + 1, valid


_FLAG_NAMES = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def _is_nil(value: object) -> bool:
    return value is None or value is MISSING


def _argument(value: object, verb: str, flags: _Flags) -> str:
    if _is_nil(value):
        return flags.pad("<nil>") if verb in "Tv" else f"%!{verb}(<nil>)"
    if verb == "T":
        return _string(type_name(value), "s", flags)
    if verb == "p" or (verb == "w" and isinstance(value, dict | list)):
        return _bad(value, verb, flags)
    return _value(value, verb, flags)


def _value(value: object, verb: str, flags: _Flags) -> str:
    if isinstance(value, str):
        return _string(value, verb, flags)
    if isinstance(value, bool):
        text = "true" if value else "false"
        return flags.pad(text) if verb in "tv" else _bad(value, verb, flags)
    if isinstance(value, int):
        return _integer(value, verb, flags)
    if isinstance(value, float):
        return _float(value, verb, flags)
    if isinstance(value, dict):
        pairs = [
            f"{_string(key, verb, flags)}:{_item(value[key], verb, flags)}"
            for key in sorted_keys(value)
        ]
        return _container("map", value, pairs, flags)
    if isinstance(value, list):
        return _container("", value, [_item(item, verb, flags) for item in value], flags)
    return _item(value, verb, flags)


def _item(value: object, verb: str, flags: _Flags) -> str:
    if _is_nil(value):
        return "interface {}(nil)" if flags.sharp_v else "<nil>"
    return _value(value, verb, flags)


def _container(prefix: str, value: object, pieces: list[str], flags: _Flags) -> str:
    if sum(map(len, pieces)) + 2 * len(pieces) > MAX_OUTPUT:
        raise too_long()
    if flags.sharp_v:
        return f"{type_name(value)}{{{', '.join(pieces)}}}"
    return f"{prefix}[{' '.join(pieces)}]"


def _bad(value: object, verb: str, flags: _Flags) -> str:
    """``%!verb(type=value)``; the value is printed with the directive's own flags."""
    return f"%!{verb}({type_name(value)}={_value(value, 'v', flags)})"


def _string(value: str, verb: str, flags: _Flags) -> str:
    if verb in "xX":
        return _hex_string(value, verb, flags)
    if verb not in "svq":
        return _bad(value, verb, flags)
    if flags.precision is not None:
        value = value[: flags.precision]
    if verb == "q" or (verb == "v" and flags.sharp_v):
        if flags.sharp and can_backquote(value):
            return flags.pad(f"`{value}`")
        value = quote(value, ascii_only=flags.plus)
    return flags.pad(value)


def _hex_string(value: str, verb: str, flags: _Flags) -> str:
    data = to_bytes(value)
    if flags.precision is not None:
        data = data[: flags.precision]
    prefix = f"0{verb}" if flags.sharp and data else ""
    if flags.space:
        text = " ".join([f"{prefix}{byte:02{verb}}" for byte in data])
    else:
        text = prefix + (data.hex() if verb == "x" else data.hex().upper())
    return flags.pad(text)


def _integer(value: int, verb: str, flags: _Flags) -> str:
    if verb == "c":
        return flags.pad(_rune(value))
    if verb == "q":
        return flags.pad(quote(_rune(value), "'", ascii_only=flags.plus))
    if verb == "U":
        return _unicode(value, flags)
    if verb not in _BASES:
        return _bad(value, verb, flags)
    base = _BASES[verb]
    if verb == "v" and flags.sharp_v and isinstance(value, Uint8):
        return _digits(value, "x", "x", flags, sharp=True)
    return _digits(value, verb, base, flags, sharp=flags.sharp)


def _digits(value: int, verb: str, base: str, flags: _Flags, *, sharp: bool) -> str:
    digits = 0
    if flags.precision is not None:
        digits = flags.precision
        if digits == 0 and value == 0:
            return " " * (flags.width or 0)
    elif flags.zero and not flags.minus and flags.width is not None:
        digits = flags.width - (value < 0 or flags.plus or flags.space)
    text = f"{abs(value):{base}}".rjust(digits, "0")
    if sharp:
        if base == "o":
            text = text if text.startswith("0") else f"0{text}"
        else:
            text = _PREFIXES.get(base, "") + text
    if verb == "O":
        text = f"0o{text}"
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    return flags.pad(sign + text, zero=False)


def _rune(value: int) -> str:
    valid = 0 <= value <= _MAX_RUNE and not 0xD800 <= value < 0xE000
    return chr(value) if valid else "\ufffd"


def _unicode(value: int, flags: _Flags) -> str:
    code = value & 0xFFFFFFFFFFFFFFFF
    text = f"U+{code:0{max(4, flags.precision or 0)}X}"
    if flags.sharp and code <= _MAX_RUNE and chr(code).isprintable():
        text += f" '{chr(code)}'"
    return flags.pad(text, zero=False)


def _float(value: float, verb: str, flags: _Flags) -> str:
    if verb not in _FLOAT_VERBS:
        return _bad(value, verb, flags)
    style, precision = _FLOAT_VERBS[verb]
    if flags.precision is not None:
        precision = flags.precision
    text = format_float(value, style, precision)
    sign, text = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
    if text in ("Inf", "NaN"):
        shown = sign if sign == "-" or flags.plus else " " if flags.space else ""
        if text == "Inf" and not shown:
            shown = "+"
        return flags.pad(shown + text, zero=False)
    if flags.sharp and style != "b":
        text = _with_point(text, style, precision)
    if sign == "+" and not flags.plus:
        sign = " " if flags.space else ""
    if sign and flags.zero and not flags.minus:
        return sign + text.rjust((flags.width or 0) - 1, "0")
    return flags.pad(sign + text)


_EXPONENT = re.compile(r"[eEpP]")


def _with_point(text: str, style: str, precision: int) -> str:
    """The ``#`` flag: always a decimal point, and trailing zeros kept for g and x."""
    wanted = 0
    if style in "gGx":
        wanted = 6 if precision == -1 else precision
    marks = "pP" if style in "xX" else "eEpP"
    cut = next((i for i, c in enumerate(text) if c in marks), len(text))
    number, tail = text[:cut], text[cut:]
    seen = False
    for character in number:
        if character == ".":
            continue
        seen = seen or character != "0"
        wanted -= seen
    if "." not in number:
        if number == "0":
            wanted -= 1
        number += "."
    return number + "0" * max(wanted, 0) + tail
