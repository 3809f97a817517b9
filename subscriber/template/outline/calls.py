"""What calls of functions can give, as far as an outline follows them.

Rules: one table; a function that is not in it gives something made of its arguments. Arguments come
in Go's order, with what is piped in last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from subscriber.template.outline.sketch import EMPTY, Value, either, made_of, of_text

Arguments = Sequence[Value]


def call(name: str, arguments: Arguments) -> Value:
    """What a function gives for these arguments."""
    if name in _TESTS:
        return of_text("true", "false")
    if name in _CUT:
        return made_of(arguments, cut=True, filled=name in _ALWAYS)
    rule = _RULES.get(name)
    if rule is not None and (arguments or name == "dict"):
        return rule(arguments)
    return made_of(arguments)


_TESTS = frozenset(
    {
        "eq", "ne", "lt", "le", "gt", "ge", "not", "contains", "hasPrefix", "hasSuffix", "hasKey",
        "has", "kindIs", "empty", "all", "any", "regexMatch", "match",
    }
)  # fmt: skip
"""Functions that give true or false."""

_ALWAYS = frozenset(
    {
        "sha1sum", "sha256sum", "sha512sum", "adler32sum", "len", "kindOf", "int", "int64",
        "float64", "add", "add1", "sub", "mul", "div", "mod", "max", "min", "round", "floor",
        "ceil", "addf", "subf", "mulf", "divf", "maxf", "minf", "unixEpoch",
    }
)  # fmt: skip
"""Functions that give a short text which is never empty."""

_CUT = _ALWAYS | {"trunc", "abbrev", "abbrevboth", "substr", "date", "dateInZone", "truncate"}
"""Functions whose text has a length that does not follow the event's."""


def _same(arguments: Arguments) -> Value:
    """The last argument, in another spelling."""
    last = arguments[-1]
    return replace(last, field=None, texts=None, members=None)


def _as_text(arguments: Arguments) -> Value:
    return replace(arguments[-1], members=None)


def _mapped(change: Callable[[str], str]) -> Callable[[Arguments], Value]:
    def apply(arguments: Arguments) -> Value:
        texts = arguments[-1].texts
        value = _same(arguments)
        changed = None if texts is None else frozenset(map(change, texts))
        filled = value.filled or bool(changed and all(text.strip() for text in changed))
        return replace(value, texts=changed, filled=filled)

    return apply


def _trimmed(arguments: Arguments) -> Value:
    return replace(_mapped(str.strip)(arguments), filled=arguments[-1].filled)


def _default(arguments: Arguments) -> Value:
    """``default FALLBACK VALUE``."""
    if len(arguments) < 2:
        return made_of(arguments)
    fallback, value = arguments[0], arguments[-1]
    found = replace(either([value, fallback]), filled=fallback.filled or value.filled)
    return found if fallback.shown else replace(found, always=value.always)


def _coalesce(arguments: Arguments) -> Value:
    filled = any(value.filled for value in arguments)
    return replace(either(arguments), filled=filled)


def _ternary(arguments: Arguments) -> Value:
    """``ternary YES NO CONDITION``."""
    return either(arguments[:2]) if len(arguments) == 3 else made_of(arguments)


def _dict(arguments: Arguments) -> Value:
    members = tuple(arguments[1::2])
    return replace(made_of(arguments), members=members)


def _one_text(value: Value) -> str | None:
    return next(iter(value.texts)) if value.texts and len(value.texts) == 1 else None


def _get(arguments: Arguments) -> Value:
    """``get MAP KEY``, ``index MAP KEY...``."""
    container, keys = arguments[0], [_one_text(key) for key in arguments[1:]]
    if container.members is not None:
        return either([*container.members, EMPTY])
    if all(key is not None for key in keys):
        return container.below([key for key in keys if key is not None])
    return made_of(arguments[:1])


def _dig(arguments: Arguments) -> Value:
    """``dig KEY... FALLBACK MAP``."""
    if len(arguments) < 3:
        return made_of(arguments)
    *keys, fallback, container = arguments
    names = [_one_text(key) for key in keys]
    if any(name is None for name in names):
        return made_of(arguments)
    found = container.below([name for name in names if name is not None])
    return replace(either([found, fallback]), filled=fallback.filled)


def _printf(arguments: Arguments) -> Value:
    pattern = _one_text(arguments[0])
    literal = "" if pattern is None else _without_verbs(pattern)
    return made_of(arguments[1:], filled=bool(literal.strip()))


def _without_verbs(pattern: str) -> str:
    """A format without its verbs: what is printed whatever the values are."""
    rest, index = "", 0
    while index < len(pattern):
        if pattern[index] != "%":
            rest += pattern[index]
        else:
            index += 1
            while index < len(pattern) and not pattern[index].isalpha() and pattern[index] != "%":
                index += 1
        index += 1
    return rest


def _joined(arguments: Arguments) -> Value:
    if all(value.texts is not None and len(value.texts) == 1 for value in arguments):
        return of_text("".join(_one_text(value) or "" for value in arguments))
    return made_of(arguments, filled=any(value.filled for value in arguments))


def _or(arguments: Arguments) -> Value:
    return replace(either(arguments), filled=arguments[-1].filled)


def _and(arguments: Arguments) -> Value:
    # the first that is empty, else the last
    return replace(either(arguments), filled=False)


_RULES: Mapping[str, Callable[[Arguments], Value]] = {
    "default": _default,
    "coalesce": _coalesce,
    "ternary": _ternary,
    "dict": _dict,
    "get": _get,
    "index": _get,
    "dig": _dig,
    "printf": _printf,
    "print": _joined,
    "cat": _joined,
    "or": _or,
    "and": _and,
    "toString": _as_text,
    "string": _as_text,
    "upper": _mapped(str.upper),
    "toUpper": _mapped(str.upper),
    "lower": _mapped(str.lower),
    "toLower": _mapped(str.lower),
    "trim": _trimmed,
    "trimSpace": _trimmed,
    "title": _same,
    "quote": _same,
    "squote": _same,
    "toJson": _same,
    "b64enc": _same,
    "urlquery": _same,
}
