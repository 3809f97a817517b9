"""Go template text to tokens, as Go's text/template/parse lexes it.

Rules: the lexer is lazy, so that the earliest mistake of a template is the one reported; trim
markers and comments are dealt with here and never reach the parser; positions are offsets in
characters. It accepts numbers generously (``089``, ``0x0.2``); `literals` refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum

from subscriber.model.reason import Reason
from subscriber.template.problem import TemplateError


class Kind(StrEnum):
    """What a token is; the value is how messages call it."""

    BOOL = "true or false"
    CHAR = "character"
    CHAR_CONSTANT = "character constant"
    COMPLEX = "complex number"
    ASSIGN = "="
    DECLARE = ":="
    EOF = "end of the template"
    FIELD = "field"
    IDENTIFIER = "function name"
    LEFT_DELIM = "{{"
    LEFT_PAREN = "("
    NUMBER = "number"
    PIPE = "|"
    RAW_STRING = "raw string"
    RIGHT_DELIM = "}}"
    RIGHT_PAREN = ")"
    SPACE = "space"
    STRING = "string"
    TEXT = "text"
    VARIABLE = "variable"
    BLOCK = "block"
    BREAK = "break"
    CONTINUE = "continue"
    DOT = "."
    DEFINE = "define"
    ELSE = "else"
    END = "end"
    IF = "if"
    NIL = "nil"
    RANGE = "range"
    TEMPLATE = "template"
    WITH = "with"


_KEYWORDS = {
    kind.value: kind
    for kind in (
        Kind.BLOCK, Kind.BREAK, Kind.CONTINUE, Kind.DEFINE, Kind.ELSE, Kind.END, Kind.IF,
        Kind.NIL, Kind.RANGE, Kind.TEMPLATE, Kind.WITH,
    )
}  # fmt: skip
_KEYWORDS |= {"true": Kind.BOOL, "false": Kind.BOOL}

_ONE_CHARACTER = {
    "=": Kind.ASSIGN,
    "|": Kind.PIPE,
    "(": Kind.LEFT_PAREN,
    ")": Kind.RIGHT_PAREN,
}

_SPACES = " \t\r\n"
_WORD = re.compile(r"\w*")
_SPACE_RUN = re.compile(r"[ \t\r\n]+")
_SIGN = "[+-]?"
# One part of a number: the digits allowed depend on the prefix; an exponent on the base.
_NUMBER = re.compile(
    rf"{_SIGN}(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP]{_SIGN}[0-9_]*)?"
    rf"|0[oO][0-7_]*(?:\.[0-7_]*)?"
    rf"|0[bB][01_]*(?:\.[01_]*)?"
    rf"|[0-9_]*(?:\.[0-9_]*)?(?:[eE]{_SIGN}[0-9_]*)?)i?"
)
_QUOTED = {
    '"': (re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), Kind.STRING, "string"),
    "'": (re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), Kind.CHAR_CONSTANT, "character constant"),
    "`": (re.compile(r"`[^`]*`"), Kind.RAW_STRING, "raw string"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the template: what, where (offset in characters) and its text."""

    kind: Kind
    offset: int
    text: str

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 20 else self.text[:20] + "..."
        return str(self.kind) if self.kind is Kind.EOF else repr(shown).replace("\\\\", "\\")


def is_alphanumeric(character: str) -> bool:
    """A letter, a decimal digit or an underscore, as Go's unicode package has them."""
    return character == "_" or character.isalpha() or character.isdecimal()


_CHAIN_BEFORE = re.compile(r"(?P<parent>[$.\w]*)\.(?P<key>\w*)\Z")
_CHAIN_AFTER = re.compile(r"(?P<key>[\w-]*)(?P<rest>[.\w]*)")


class _Lexer:
    def __init__(self, source: str, name: str) -> None:
        self.source = source
        self.name = name
        self.action_start = 0

    def fail(self, message: str, offset: int, hint: str = "") -> TemplateError:
        return TemplateError.at(
            Reason.TEMPLATE_SYNTAX,
            message,
            name=self.name,
            source=self.source,
            offset=offset,
            hint=hint,
        )

    def tokens(self) -> Iterator[Token]:
        source, position = self.source, 0
        while True:
            start = source.find("{{", position)
            if start < 0:
                if position < len(source):
                    yield Token(Kind.TEXT, position, source[position:])
                yield Token(Kind.EOF, len(source), "")
                return
            inside = start + 2
            trims = source[inside : inside + 1] == "-" and (
                source[inside + 1 : inside + 2] in tuple(_SPACES)
            )
            text = source[position:start]
            if trims:
                text = text.rstrip(_SPACES)
                inside += 2
            if text:
                yield Token(Kind.TEXT, position, text)
            if source.startswith("/*", inside):
                position = self.comment(inside, start)
                continue
            self.action_start = start
            yield Token(Kind.LEFT_DELIM, start, "{{")
            position = yield from self.action(inside)

    def comment(self, inside: int, start: int) -> int:
        end = self.source.find("*/", inside + 2)
        if end < 0:
            raise self.fail("the comment is never closed", start, "end it with */}}")
        after = self.right_delimiter(end + 2)
        if after is None:
            raise self.fail(
                "a comment must fill its braces", end, "write }} directly after the closing */"
            )
        return after

    def right_delimiter(self, position: int) -> int | None:
        """Where the text goes on when a closing }} or " -}}" stands here, else None."""
        source = self.source
        if source.startswith("}}", position):
            return position + 2
        if source[position : position + 1] in tuple(_SPACES) and source.startswith(
            "-}}", position + 1
        ):
            position += 4
            match = _SPACE_RUN.match(source, position)
            return match.end() if match else position
        return None

    def action(self, position: int) -> Generator[Token, None, int]:
        """The tokens up to and with the right delimiter; returns where the text goes on."""
        source, depth = self.source, 0
        while True:
            after = self.right_delimiter(position)
            if after is not None:
                if depth:
                    raise self.fail("a left parenthesis is never closed", position, "add a )")
                yield Token(Kind.RIGHT_DELIM, position, "}}")
                return after
            if position >= len(source):
                raise self.fail("the action is never closed", self.action_start, "add }}")
            token = self.token(position)
            if token.kind is Kind.LEFT_PAREN:
                depth += 1
            elif token.kind is Kind.RIGHT_PAREN:
                depth -= 1
                if depth < 0:
                    raise self.fail("a right parenthesis has no left one", position)
            yield token
            position = token.offset + len(token.text)

    def token(self, position: int) -> Token:
        source = self.source
        character = source[position]
        if character in _SPACES:
            return self.space(position)
        if character in _ONE_CHARACTER:
            return Token(_ONE_CHARACTER[character], position, character)
        if character in _QUOTED:
            pattern, kind, what = _QUOTED[character]
            match = pattern.match(source, position)
            if match is None:
                raise self.fail(f"the {what} is never closed", position, f"add {character}")
            return Token(kind, position, match.group())
        if character == ":":
            if not source.startswith(":=", position):
                raise self.fail("a colon stands alone", position, "a variable is declared with :=")
            return Token(Kind.DECLARE, position, ":=")
        following = source[position + 1 : position + 2]
        if character == "$" or (character == "." and following and following not in "0123456789"):
            return self.field_or_variable(position)
        if character in ".+-0123456789":
            return self.number(position)
        if is_alphanumeric(character):
            word = self.word(position)
            self.check_terminator(position, position + len(word))
            return Token(_KEYWORDS.get(word, Kind.IDENTIFIER), position, word)
        if character.isascii() and character.isprintable():
            return Token(Kind.CHAR, position, character)
        raise self.fail(f"{character!a} cannot be used here", position, "text needs double quotes")

    def space(self, position: int) -> Token:
        match = _SPACE_RUN.match(self.source, position)
        assert match is not None
        end = match.end()
        if self.source.startswith("-}}", end):
            end -= 1  # the last space belongs to the trim marker
        return Token(Kind.SPACE, position, self.source[position:end])

    def word(self, position: int) -> str:
        match = _WORD.match(self.source, position)
        assert match is not None
        word = match.group()
        if word.isascii():
            return word
        # \w also has digits such as superscripts, which Go does not take for letters.
        end = next((i for i, c in enumerate(word) if not is_alphanumeric(c)), len(word))
        return word[:end]

    def field_or_variable(self, position: int) -> Token:
        field = self.source[position] == "."
        if self.at_terminator(position + 1):
            return Token(Kind.DOT if field else Kind.VARIABLE, position, self.source[position])
        word = self.word(position + 1)
        end = position + 1 + len(word)
        self.check_terminator(position, end)
        kind = Kind.FIELD if field else Kind.VARIABLE
        return Token(kind, position, self.source[position:end])

    def at_terminator(self, position: int) -> bool:
        source = self.source
        return (
            position >= len(source)
            or source[position] in " \t\r\n.,|:)("
            or source.startswith("}}", position)
        )

    def check_terminator(self, start: int, end: int) -> None:
        if self.at_terminator(end):
            return
        character = self.source[end]
        hint = "put a space before it"
        if character == "-" and self.source[start] == ".":
            hint = self.dash_hint(end)
        raise self.fail(f"{character!a} cannot follow {self.source[start:end]}", end, hint)

    def dash_hint(self, dash: int) -> str:
        """How to read the key with a dash that `.secret.slack-webhook.url` tries to read."""
        before = _CHAIN_BEFORE.search(self.source, self.action_start, dash)
        after = _CHAIN_AFTER.match(self.source, dash)
        assert before is not None
        assert after is not None
        parent, key = before["parent"] or ".", before["key"] + after["key"]
        rest = after["rest"].rstrip(".")
        read = f'(index {parent} "{key}"){rest}' if rest else f'index {parent} "{key}"'
        return f"a key with a dash is read with index: {{{{{read}}}}}"

    def number(self, position: int) -> Token:
        end = self.number_part(position)
        kind = Kind.NUMBER
        if self.source[end : end + 1] in ("+", "-"):
            end = self.number_part(end)
            kind = Kind.COMPLEX
            if self.source[end - 1] != "i":
                raise self.bad_number(position, end)
        return Token(kind, position, self.source[position:end])

    def number_part(self, position: int) -> int:
        match = _NUMBER.match(self.source, position)
        assert match is not None
        end = match.end()
        if end < len(self.source) and is_alphanumeric(self.source[end]):
            raise self.bad_number(position, end + 1)
        return end

    def bad_number(self, start: int, end: int) -> TemplateError:
        return self.fail(f"{self.source[start:end]} is not a number", start)


def lex(source: str, name: str) -> Iterator[Token]:
    """The tokens of a Go template, ending in one EOF token.

    Raises:
        TemplateError: TEMPLATE_SYNTAX, when the broken place is reached.
    """
    return _Lexer(source, name).tokens()


def lex_pipeline(source: str, name: str) -> Iterator[Token]:
    """The tokens of a bare pipeline (no braces), ending in one RIGHT_DELIM token.

    A }} inside it is an error, as it would be in an action.
    """
    lexer = _Lexer(source + "}}", name)
    for token in lexer.action(0):
        if token.kind is Kind.RIGHT_DELIM and token.offset < len(source):
            raise lexer.fail("a condition is written without }}", token.offset)
        yield token
