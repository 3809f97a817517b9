"""Text: case, trimming, testing and replacing.

Rules: arguments in the order of sprig, so that the text comes last and can be piped in; text is
wanted where sprig wants a string, other values are refused with the advice to use toString.

This module does not know how text is shortened or laid out; that is `layout`.
"""

from __future__ import annotations

from subscriber.model.event import Json
from subscriber.template.functions import letters
from subscriber.template.functions.arguments import (
    shown,
    shown_items,
    text,
    text_by_letters,
    weight,
    whole,
)
from subscriber.template.functions.registry import FunctionError, Run, function


@function(
    "upper",
    signature="upper text",
    doc="The text in capital letters.",
    category="strings",
    examples=[("{{upper .result}}", {"result": "fail"}, "FAIL")],
    run=True,
)
@function(
    "toUpper",
    signature="toUpper text",
    doc="The same as `upper`, under Alertmanager's name.",
    category="alertmanager",
    examples=[("{{.status | toUpper}}", {"status": "firing"}, "FIRING")],
    run=True,
)
def upper(run: Run, value: Json) -> str:
    """Every letter in upper case."""
    return letters.upper(text_by_letters(run, value))


@function(
    "lower",
    signature="lower text",
    doc="The text in small letters.",
    category="strings",
    examples=[("{{lower .result}}", {"result": "FAIL"}, "fail")],
    run=True,
)
@function(
    "toLower",
    signature="toLower text",
    doc="The same as `lower`, under Alertmanager's name.",
    category="alertmanager",
    examples=[("{{.status | toLower}}", {"status": "FIRING"}, "firing")],
    run=True,
)
def lower(run: Run, value: Json) -> str:
    """Every letter in lower case."""
    return letters.lower(text_by_letters(run, value))


@function(
    "title",
    signature="title text",
    doc="Each word with a capital first letter; the other letters stay as they are.",
    category="strings",
    examples=[
        ("{{title .message}}", {"message": "deployment of carts"}, "Deployment Of Carts"),
        ("{{title .message}}", {"message": "slow API"}, "Slow API"),
    ],
    run=True,
)
def title(run: Run, value: Json) -> str:
    """As sprig does it; Alertmanager's function of this name also makes small letters."""
    return letters.title_words(text_by_letters(run, value))


@function(
    "trim",
    signature="trim text",
    doc="The text without white space at its ends.",
    category="strings",
    examples=[("[{{trim .message}}]", {"message": "  too slow\n"}, "[too slow]")],
)
@function(
    "trimSpace",
    signature="trimSpace text",
    doc="The same as `trim`, under Alertmanager's name.",
    category="alertmanager",
    examples=[("[{{.message | trimSpace}}]", {"message": "  too slow\n"}, "[too slow]")],
)
def trim(value: Json) -> str:
    """Go's strings.TrimSpace."""
    return text(value).strip(letters.SPACES)


@function(
    "trimAll",
    signature="trimAll characters text",
    doc="The text without any of the characters at its ends.",
    category="strings",
    examples=[('{{trimAll "/-" .path}}', {"path": "/carts-/"}, "carts")],
)
def trim_all(characters: Json, value: Json) -> Json:
    """Go's strings.Trim."""
    return text(value).strip(text(characters, "the characters"))


@function(
    "trimPrefix",
    signature="trimPrefix prefix text",
    doc="The text without the prefix, if it begins with it.",
    category="strings",
    examples=[('{{.type | trimPrefix "sh.keptn.event."}}', {"type": "sh.keptn.event.x"}, "x")],
)
def trim_prefix(prefix: Json, value: Json) -> str:
    """Once, not repeatedly."""
    return text(value).removeprefix(text(prefix, "the prefix"))


@function(
    "trimSuffix",
    signature="trimSuffix suffix text",
    doc="The text without the suffix, if it ends with it.",
    category="strings",
    examples=[('{{.type | trimSuffix ".finished"}}', {"type": "test.finished"}, "test")],
)
def trim_suffix(suffix: Json, value: Json) -> str:
    """Once, not repeatedly."""
    return text(value).removesuffix(text(suffix, "the suffix"))


@function(
    "nospace",
    signature="nospace text",
    doc="The text without any white space.",
    category="strings",
    examples=[("{{nospace .id}}", {"id": "a b\tc"}, "abc")],
    run=True,
)
def nospace(run: Run, value: Json) -> Json:
    """Takes out white space character by character."""
    return "".join(letter for letter in text_by_letters(run, value) if letter not in letters.SPACES)


@function(
    "contains",
    signature="contains part text",
    doc="Whether the text contains the part.",
    category="strings",
    examples=[('{{.message | contains "timeout"}}', {"message": "read timeout"}, "true")],
)
def contains(part: Json, value: Json) -> bool:
    """Part first, as in sprig."""
    return text(part, "the part") in text(value)


@function(
    "hasPrefix",
    signature="hasPrefix prefix text",
    doc="Whether the text begins with the prefix.",
    category="strings",
    examples=[('{{.stage | hasPrefix "prod"}}', {"stage": "production"}, "true")],
)
def has_prefix(prefix: Json, value: Json) -> bool:
    """Prefix first, as in sprig."""
    return text(value).startswith(text(prefix, "the prefix"))


@function(
    "hasSuffix",
    signature="hasSuffix suffix text",
    doc="Whether the text ends with the suffix.",
    category="strings",
    examples=[('{{.type | hasSuffix ".finished"}}', {"type": "test.finished"}, "true")],
)
def has_suffix(suffix: Json, value: Json) -> bool:
    """Suffix first, as in sprig."""
    return text(value).endswith(text(suffix, "the suffix"))


@function(
    "replace",
    signature="replace old new text",
    doc="The text with every `old` replaced by `new`.",
    category="strings",
    examples=[('{{.name | replace "_" "-"}}', {"name": "my_service"}, "my-service")],
    run=True,
)
def replace(run: Run, old: Json, new: Json, value: Json) -> str:
    """An empty `old` is found before, between and after all characters, as in Go."""
    before, after, source = text(old, "the old text"), text(new, "the new text"), text(value)
    found = source.count(before)
    run.charge_text(len(source) + found * (len(after) - len(before)))
    return source.replace(before, after)


@function(
    "repeat",
    signature="repeat count text",
    doc="The text, `count` times.",
    category="strings",
    examples=[('{{repeat 3 "ab"}}', None, "ababab")],
    run=True,
)
def repeat(run: Run, count: Json, value: Json) -> Json:
    """Refuses a negative count, as Go does."""
    times = not_negative(count, "the count")
    source = text(value)
    run.charge_text(times * len(source))
    return source * times


@function(
    "cat",
    signature="cat value...",
    doc="The values as text with spaces between them, leaving out nothings.",
    category="strings",
    examples=[("{{cat .a .missing .b}}", {"a": "score", "b": 42}, "score 42")],
    run=True,
)
def cat(run: Run, *values: Json) -> Json:
    """Values of any type."""
    return " ".join(shown_items(run, list(values)))


@function(
    "plural",
    signature="plural one many count",
    doc="`one` if the count is 1, else `many`.",
    category="strings",
    examples=[
        ('{{len .failed}} {{len .failed | plural "test" "tests"}}', {"failed": ["a"]}, "1 test"),
        ('{{len .failed}} {{len .failed | plural "test" "tests"}}', {"failed": []}, "0 tests"),
    ],
)
def plural(one: Json, many: Json, count: Json) -> Json:
    """English has two forms."""
    return text(one if whole(count, "the count") == 1 else many, "the word")


@function(
    "toString",
    signature="toString value",
    doc="Any value as text, as printing it would write it.",
    category="strings",
    examples=[
        ("{{.build | toString | trunc 2}}", {"build": 1234}, "12"),
        ("{{toString .labels}}", {"labels": {"b": 2, "a": [1]}}, "map[a:[1] b:2]"),
    ],
    run=True,
)
def to_string(run: Run, value: Json) -> str:
    """Go's %v."""
    run.charge(weight(value))
    return shown(value)


def not_negative(value: Json, name: str) -> int:
    """A whole number that is not below zero.

    Raises:
        FunctionError: it is, or is not a whole number.
    """
    number = whole(value, name)
    if number < 0:
        raise FunctionError(f"{name} must not be negative, it is {number}")
    return number
