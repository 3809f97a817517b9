"""Regular expressions: RE2, the syntax of Go, in time linear in the text.

Rules: the engine is google-re2, so no pattern can backtrack; looking for all matches can still scan
the text once per match, which is paid for with steps before it is done. `$1` and `${name}` in
replacements are Go's. Empty matches right after a match do not count, as in Go.

A pattern that is wrong is always an error, also for regexMatch, where sprig says false: a rule with
a typing mistake in its pattern must not stay silent for ever.

This module does not know what patterns are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

from subscriber.model.event import Json
from subscriber.model.problem import excerpt
from subscriber.template.functions.arguments import text, whole
from subscriber.template.functions.registry import FunctionError, Run, function
from subscriber.template.semantics.values import from_bytes, to_bytes

_LONGEST_PATTERN = 1000
_SEARCH = 15  # and making a match, a replacement, a part
_TO_THE_END = 1 << 62
# What compiling costs at worst, in steps: for each character, each Unicode class, and each copy
# that a repetition like {40} makes.
_CHARACTER, _UNICODE_CLASS, _COPY = 1, 100, 40
_MOST_COPIES = 1000
_SCANNED_PER_STEP = 140  # bytes times instructions; 6 ns each were the worst that was measured
# One character or class, repeated or not: looking for it never reads beyond the match.
_SINGLE = re.compile(r"(?:\\[^\WpPQEb]|\[\^?[^\]\[\\]+\]|[^\\\[\](){}.*+?|^$])[*+]?")
_LITERAL = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)
_REPETITION = re.compile(r"\{(?:[0-9]+,)?([0-9]{1,4})\}")
_ENDLESS = re.compile(r"[*+]|\{[0-9]+,\}")
_SINGLE_BYTE_MODE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_GROUP = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\[:\w+:\]|\\.|[^\]])*\]"  # where brackets open nothing
    r"|(?P<opens>\((?!\?)|\(\?P?<(?P<name>\w+)>)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")

Span = tuple[int, int]


class _Match(Protocol):
    def span(self, group: int = 0) -> Span: ...


class _Pattern(Protocol):
    groups: int
    programsize: int

    def __hash__(self) -> int: ...

    def search(self, text: bytes, pos: int = 0) -> _Match | None: ...


@function(
    "regexMatch",
    signature="regexMatch pattern text",
    doc="Whether the pattern matches somewhere in the text.",
    category="regex",
    examples=[('{{regexMatch "^prod(uction)?$" .stage}}', {"stage": "prod"}, "true")],
    run=True,
)
@function(
    "match",
    signature="match pattern text",
    doc="The same as `regexMatch`, under Alertmanager's name.",
    category="alertmanager",
    examples=[('{{match "time.?out" .message}}', {"message": "read timed out"}, "false")],
    run=True,
)
def regex_match(run: Run, pattern: Json, value: Json) -> bool:
    """Not anchored."""
    expression, source = _prepare(run, pattern, value)
    return expression.search(source) is not None


@function(
    "regexFind",
    signature="regexFind pattern text",
    doc="The first (leftmost) match in the text; empty text if there is none.",
    category="regex",
    examples=[('{{regexFind "[0-9]+ms" .message}}', {"message": "took 250ms of 99ms"}, "250ms")],
    run=True,
)
def regex_find(run: Run, pattern: Json, value: Json) -> str:
    """The whole match, not a group."""
    expression, source = _prepare(run, pattern, value)
    found = expression.search(source)
    return from_bytes(source[slice(*found.span())]) if found else ""


@function(
    "regexFindAll",
    signature="regexFindAll pattern text count",
    doc="A list of the matches in the text, `count` at most; all of them for -1.",
    category="regex",
    examples=[('{{regexFindAll "[0-9]+" .m -1 | join ","}}', {"m": "1 of 20"}, "1,20")],
    run=True,
)
def regex_find_all(run: Run, pattern: Json, value: Json, count: Json) -> Json:
    """The text is not last here, as in sprig."""
    expression, source = _prepare(run, pattern, value)
    most = whole(count, "the count")
    found = _all(run, _work(pattern, expression), expression, source, most)
    return [from_bytes(source[slice(*match.span())]) for match in found]


@function(
    "regexReplaceAll",
    signature="regexReplaceAll pattern text replacement",
    doc="The text with every match replaced; `${1}` and `${name}` stand for groups.",
    category="regex",
    examples=[
        ('{{regexReplaceAll "(\\\\w+)@\\\\S+" .m "${1}"}}', {"m": "by ann@example.org"}, "by ann"),
    ],
    run=True,
)
def regex_replace_all(run: Run, pattern: Json, value: Json, replacement: Json) -> str:
    """The text is in the middle, as in sprig."""
    return _replace(run, pattern, value, text(replacement, "the replacement"))


@function(
    "reReplaceAll",
    signature="reReplaceAll pattern replacement text",
    doc="Like `regexReplaceAll`, with the text last.",
    category="alertmanager",
    examples=[('{{.host | reReplaceAll "(.*):\\\\d+" "$1"}}', {"host": "db-1:9100"}, "db-1")],
    run=True,
)
def re_replace_all(run: Run, pattern: Json, replacement: Json, value: Json) -> str:
    """For pipelines."""
    return _replace(run, pattern, value, text(replacement, "the replacement"))


@function(
    "regexReplaceAllLiteral",
    signature="regexReplaceAllLiteral pattern text replacement",
    doc="Like `regexReplaceAll`, without any meaning of `$` in the replacement.",
    category="regex",
    examples=[('{{regexReplaceAllLiteral "[0-9]+" .m "$1"}}', {"m": "pay 25"}, "pay $1")],
    run=True,
)
def regex_replace_all_literal(run: Run, pattern: Json, value: Json, replacement: Json) -> Json:
    """The text is in the middle, as in sprig."""
    literal = to_bytes(text(replacement, "the replacement"))
    return _substitute(run, pattern, value, lambda source, match: literal)


@function(
    "regexSplit",
    signature="regexSplit pattern text count",
    doc="The parts of the text between matches, `count` at most; all of them for -1.",
    category="regex",
    examples=[('{{regexSplit "[,;] *" .m -1 | toJson}}', {"m": "a, b;c"}, '["a","b","c"]')],
    run=True,
)
def regex_split(run: Run, pattern: Json, value: Json, count: Json) -> Json:
    """The text is not last here, as in sprig."""
    expression, source = _prepare(run, pattern, value)
    most = whole(count, "the count")
    if most == 0:
        return []
    if pattern and not source:
        return [""]
    parts: list[Json] = []
    begin = end = 0
    for match in _all(run, _work(pattern, expression), expression, source, most):
        if most > 0 and len(parts) == most - 1:
            break
        end, after = match.span()
        if after != 0:
            parts.append(from_bytes(source[begin:end]))
        begin = after
    if end != len(source):
        parts.append(from_bytes(source[begin:]))
    return parts


@function(
    "regexQuoteMeta",
    signature="regexQuoteMeta text",
    doc="A pattern that matches exactly this text.",
    category="regex",
    examples=[('{{regexQuoteMeta "v1.2 (rc)"}}', None, r"v1\.2 \(rc\)")],
)
def regex_quote_meta(value: Json) -> Json:
    """Escapes only what has a meaning, as Go does."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text(value))


def _replace(run: Run, pattern: Json, value: Json, replacement: str) -> str:
    run.charge(_compiling(pattern))
    return _substitute(run, pattern, value, _expander(replacement, pattern))


def _substitute(
    run: Run, pattern: Json, value: Json, replacement: Callable[[bytes, _Match], bytes]
) -> str:
    expression, source = _prepare(run, pattern, value)
    work = _work(pattern, expression)
    pieces: list[bytes] = []
    length = end = at = 0
    while at <= len(source):
        match = expression.search(source, at)
        if match is None:
            break
        begin, after = match.span()
        run.charge(work(at, after, len(source)))
        pieces.append(source[end:begin])
        if after > end or begin == 0:
            pieces.append(replacement(source, match))
            length += len(pieces[-1])
            if length > len(source):  # only what makes the text longer has to be bounded
                run.charge_text(end + length)
        end = after
        at = max(after, _next_character(source, at))
    pieces.append(source[end:])
    return from_bytes(b"".join(pieces))


def _all(
    run: Run,
    work: Callable[[int, int, int], int],
    expression: _Pattern,
    source: bytes,
    most: int,
) -> Iterator[_Match]:
    at, previous_end, count = 0, -1, 0
    while at <= len(source) and (most < 0 or count < most):
        match = expression.search(source, at)
        if match is None:
            return
        begin, end = match.span()
        run.charge(work(at, end, len(source)))
        accepted = end != at or begin != previous_end
        at = _next_character(source, at) if end == at else end
        previous_end = end
        if accepted:
            count += 1
            yield match


def _next_character(source: bytes, at: int) -> int:
    at += 1
    while at < len(source) and source[at] & 0xC0 == 0x80:
        at += 1
    return at


def _work(pattern: Json, expression: _Pattern) -> Callable[[int, int, int], int]:
    """How many steps one search costs at worst, from where it began, ended, and the text ends.

    To know that a match is the right one, the engine may read on to the end of the text, unless the
    pattern says that it cannot.
    """
    program = _size(expression)
    if _SINGLE.fullmatch(text(pattern)):
        ahead = 0
    elif not _ENDLESS.search(_LITERAL.sub("", text(pattern))):
        ahead = program  # without loops, no instruction reads more than one byte
    else:
        ahead = _TO_THE_END
    return lambda begin, end, size: (
        _SEARCH + (min(end + ahead, size) - begin) * program // _SCANNED_PER_STEP
    )


def _prepare(run: Run, pattern: Json, value: Json) -> tuple[_Pattern, bytes]:
    run.charge(_compiling(pattern))
    expression = _compiled(pattern)
    source = to_bytes(text(value))
    run.charge(_SEARCH + len(source) * _size(expression) // _SCANNED_PER_STEP)
    return expression, source


@lru_cache(maxsize=512)
def _size(expression: _Pattern) -> int:
    """How many instructions the pattern has; RE2 counts them anew each time it is asked."""
    return expression.programsize


def _compiled(pattern: Json) -> _Pattern:
    source = str(text(pattern, "the pattern"))
    if len(source) > _LONGEST_PATTERN:
        raise FunctionError(f"a pattern of more than {_LONGEST_PATTERN} characters is refused")
    compiled = _compile(source)
    if isinstance(compiled, FunctionError):
        raise compiled.with_traceback(None)
    return compiled


def _compiling(pattern: Json) -> int:
    """Steps for compiling the pattern; charged always, so that a cache changes no outcome."""
    return _cost(text(pattern, "the pattern")[:_LONGEST_PATTERN])


@lru_cache(maxsize=512)
def _cost(source: str) -> int:
    copies = 1
    for count in _REPETITION.findall(source):
        copies = min(copies * max(int(count), 1), _MOST_COPIES)
    classes = source.count("\\p") + source.count("\\P")
    return len(source) * _CHARACTER + classes * _UNICODE_CLASS + copies * _COPY


@lru_cache(maxsize=512)
def _compile(pattern: str) -> _Pattern | FunctionError:
    """The compiled pattern, or what is wrong with it (kept, too: finding out can take long)."""
    if _SINGLE_BYTE_MODE.search(pattern):
        return FunctionError(f"the pattern {excerpt(pattern)} is wrong: invalid escape: \\C")
    import re2  # type: ignore[import-untyped] # noqa: PLC0415 - 2.5 MB that few rules need

    options = re2.Options()
    options.log_errors = False
    try:
        expression: _Pattern = re2.compile(to_bytes(pattern), options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "it is wrong"
        return FunctionError(
            f"the pattern {excerpt(pattern)} is wrong: {reason}", hint=_hint(reason)
        )
    return expression


def _hint(reason: str) -> str:
    if "(?" in reason:
        return "RE2 has no look-ahead, look-behind or back-references"
    if "escape" in reason:
        return "in a template, write patterns between backquotes: `\\d+`"
    return ""


def _expander(replacement: str, pattern: Json) -> Callable[[bytes, _Match], bytes]:
    """What makes the text for one match, as Go's Regexp.Expand does."""
    expression = _compiled(pattern)
    names = _names(text(pattern))
    parts: list[bytes | tuple[int, ...]] = []
    end = 0
    for found in _REFERENCE.finditer(replacement):
        parts.append(to_bytes(replacement[end : found.start()]))
        end = found.end()
        if found[1]:
            parts.append(b"$")
            continue
        name = found[2] or found[3]
        number = _number(name)
        parts.append(names.get(name, ()) if number is None else (number,))
    parts.append(to_bytes(replacement[end:]))

    def expand(source: bytes, match: _Match) -> bytes:
        return b"".join(
            part if isinstance(part, bytes) else _first(source, match, part, expression.groups)
            for part in parts
        )

    return expand


def _number(name: str) -> int | None:
    digits = name.isascii() and name.isdigit() and len(name) <= 8
    return int(name) if digits and (name == "0" or name[0] != "0") else None


def _names(pattern: str) -> dict[str, tuple[int, ...]]:
    """The groups of each name; a name may be given to several, of which the first that matches."""
    names: dict[str, tuple[int, ...]] = {}
    opening = [found for found in _GROUP.finditer(pattern) if found["opens"]]
    for number, found in enumerate(opening, 1):
        if found["name"]:
            names[found["name"]] = (*names.get(found["name"], ()), number)
    return names


def _first(source: bytes, match: _Match, groups: tuple[int, ...], most: int) -> bytes:
    spans = (match.span(group) for group in groups if group <= most)
    return next((source[begin:end] for begin, end in spans if begin >= 0), b"")
