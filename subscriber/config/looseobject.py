"""The outer members of a JSON object that is a template, and perhaps not quite JSON.

Keptn's webhook bodies are text to Keptn: a bare word where a string belongs, or a template action
anywhere, bothers nobody until the receiver reads it. So the object is taken apart by its
punctuation, with strings and `{{actions}}` as units, and put together again with the text of every
member untouched but for bare words, which get their quotes.

Pure; this module does not know what the members mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<control>\{\{-?\s*(?:if|else|end|range|with|define|block|template|break|continue|/\*).*?\}\})
    | (?P<action>\{\{.*?\}\})
    | (?P<string>"(?:\{\{.*?\}\}|[^"\\]|\\.)*")
    | (?P<mark>[{}\[\],:])
    | (?P<space>\s+)
    | (?P<word>(?:(?!\{\{)[^\s{}\[\],:"])+)
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERAL = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One outer member.

    Attributes:
        name: its key; empty for what is no plain member (a condition around members, for instance).
        text: the whole of it, as written, without the comma.
        value: its value as written, trimmed.
    """

    name: str
    text: str
    value: str

    @property
    def template(self) -> str:
        """The value as a template that renders to text: a string without quotes and escapes."""
        if not self.value.startswith('"'):
            return self.value
        parts = re.split(r"(\{\{.*?\}\})", self.value[1:-1], flags=re.DOTALL)
        return "".join(part if part.startswith("{{") else _unescaped(part) for part in parts)

    @property
    def is_static(self) -> bool:
        """Whether no event can change it."""
        return "{{" not in self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseObject:
    """An object, taken apart.

    Attributes:
        members: in order.
        quoted: bare words that were given quotes.
    """

    members: tuple[Member, ...]
    quoted: tuple[str, ...] = ()

    def get(self, name: str) -> Member | None:
        """The member of a name; of several the last, as JSON readers take it."""
        return next((one for one in reversed(self.members) if one.name == name), None)

    def without(self, names: Iterable[str]) -> str:
        """The text of the object without some members."""
        left = [one.text.strip() for one in self.members if one.name not in set(names)]
        return "{\n  " + ",\n  ".join(left) + "\n}\n" if left else "{}\n"


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:  # an escape that JSON does not know: PagerDuty refused it, it is shown
        return text


def take_apart(text: str) -> LooseObject:
    """The object's members.

    Raises:
        ValueError: it is no object, or its brackets do not fit.
    """
    tokens, quoted = _tokens(text)
    solid = [index for index, (kind, _) in enumerate(tokens) if kind != "space"]
    if not solid or tokens[solid[0]][1] != "{" or tokens[solid[-1]][1] != "}":
        raise ValueError("it is not a JSON object")
    members = [
        _member(group) for group in _groups(tokens[solid[0] + 1 : solid[-1]]) if _has_text(group)
    ]
    return LooseObject(members=tuple(members), quoted=tuple(quoted))


def replaced(text: str, change: Callable[[str], str | None]) -> str:
    """The text with some actions turned into plain words.

    Args:
        text: of an object or a part of one.
        change: an action, as written, to the words that stand for it; None leaves it.
    """

    def one(match: re.Match[str]) -> str:
        kind, token = match.lastgroup, match[0]
        if kind == "string":
            return re.sub(
                r"\{\{.*?\}\}",
                lambda inner: _or(change(inner[0]), inner[0]),
                token,
                flags=re.DOTALL,
            )
        words = change(token) if kind == "action" else None
        return token if words is None else f'"{words}"'

    return _TOKEN.sub(one, text)


def _or(words: str | None, otherwise: str) -> str:
    return otherwise if words is None else words


_Token = tuple[str, str]


def _tokens(text: str) -> tuple[list[_Token], list[str]]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"a quote or brace opened in line {line} is never closed")
        found.append((match.lastgroup or "", match[0]))
        position = match.end()
    return _words_quoted(found)


def _words_quoted(tokens: list[_Token]) -> tuple[list[_Token], list[str]]:
    """Bare words, with the actions and words that touch them, as strings."""
    made: list[_Token] = []
    quoted: list[str] = []
    index = 0
    while index < len(tokens):
        run = index
        while run < len(tokens) and tokens[run][0] in ("word", "action"):
            run += 1
        words = [text for kind, text in tokens[index:run] if kind == "word"]
        plain = run == index + 1 and (not words or _LITERAL.fullmatch(words[0]) is not None)
        if run == index or plain or not words:
            made.extend(tokens[index : max(run, index + 1)])
            index = max(run, index + 1)
            continue
        text = "".join(part for _, part in tokens[index:run])
        quoted.append(text)
        escaped = "".join(
            part if kind == "action" else part.replace("\\", "\\\\")
            for kind, part in tokens[index:run]
        )
        made.append(("string", f'"{escaped}"'))
        index = run
    return made, quoted


def _groups(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """What stands between the outer commas."""
    group: list[_Token] = []
    open_brackets: list[str] = []
    for kind, text in tokens:
        if kind == "mark":
            if text in "{[":
                open_brackets.append("}" if text == "{" else "]")
            elif text in "}]" and (not open_brackets or open_brackets.pop() != text):
                raise ValueError(f"a {text} closes nothing")
            elif text == "," and not open_brackets:
                yield group
                group = []
                continue
        group.append((kind, text))
    if open_brackets:
        raise ValueError(f"a {open_brackets[-1]} is missing")
    yield group


def _has_text(group: list[_Token]) -> bool:
    return any(kind != "space" for kind, _ in group)


def _member(group: list[_Token]) -> Member:
    text = "".join(part for _, part in group)
    solid = [one for one in group if one[0] != "space"]
    if len(solid) > 2 and solid[0][0] == "string" and solid[1][1] == ":":
        colon = next(index for index, one in enumerate(group) if one[1] == ":")
        value = "".join(part for _, part in group[colon + 1 :]).strip()
        return Member(name=solid[0][1][1:-1], text=text, value=value)
    return Member(name="", text=text, value=text.strip())
