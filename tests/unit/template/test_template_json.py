"""JSON context: whatever an event carries, the structure of the document is the template's own."""

# ruff: noqa: E501 - a template is shown in one piece

from __future__ import annotations

import copy
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscriber.model.reason import Reason
from subscriber.template import Template, TemplateError, compile
from subscriber.template.engine import _build
from subscriber.template.program import Built, flatten
from subscriber.template.semantics.values import MISSING

ROOT = Path(__file__).parents[3] / "templates"
BODIES = sorted(ROOT.rglob("*.json.tmpl"))

HOSTILE = [
    '"',
    "\\",
    '\\"',
    '","injected":"',
    '"}],"x":{"y":[',
    "\n",
    "\r\n\t",
    "\x00\x01\x1f\x7f",
    "}",
    "]",
    "{{.secret}}",
    "{% raw %}",
    "\u2028\u2029",
    "é日🎉",
    "null",
    "true",
    "12",
    "",
    " ",
    "\udc80",
    "\ud800",
    "</script>",
    "${x}",
    ";",
    "`rm`",
    "'",
    "\\u0022",
    "%s%d",
    "//",
    "/*",
    "\ufeff",
    "\ufffe",
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

SHAPES = [
    ("go", '{"a": "{{.v}}", "b": {"c": ["{{.v}}{{.w}}", "x {{.w}} y"]}}'),
    ("go", '{"a": {{.v}}, "b": [{{.w}}, {{.v}}], {{.v}}: 1, "d": {"e": {{.w}}}}'),
    ("go", '[{{range $i, $x := .l}}{{if $i}}, {{end}}{"x": "{{$x}}", "y": {{$x}}}{{end}}]'),
    ("go", '{"l": [{{range .l}}{{.}}, "{{.}}", {{end}}null]{{with .v}}, "v": "{{.}}"{{end}}}'),
    ("go", '{{define "t"}}{"in": {{.}}}{{end}}[{{template "t" .v}}, {{template "t" .w}}]'),
    (
        "go",
        '{"q": {{printf "%q" .v}}, "j": {{toJson .w}}, "s": "{{toJson .v}}", "p": "{{quote .w}}"}',
    ),
    (
        "go",
        '{"u": "{{urlquery .v}}", "h": "{{html .v}}", "js": "{{js .w}}", "n": {{print .v 1 .w}}}',
    ),
    ("go", '{"s": "{{slice (printf "%s-" .v) 1}}", "x": {{index .l 0}}}'),
    (
        "jinja",
        '{"a": "{{ v }}", "b": {{ v }}, {{ v }}: {{ w }}, "l": {{ l|tojson }}, "c": "{{ v ~ w }}"}',
    ),
    (
        "jinja",
        '[{% for x in l %}{% if not loop.first %},{% endif %}"{{ x }}", {{ x }}{% endfor %}]',
    ),
    (
        "jinja",
        '{% set x %}<{{ v }}>{% endset %}{% macro m(y) %}({{ y }}){% endmacro %}["{{ x }}", {{ m(w) }}]',
    ),
]


class Pairs(list[tuple[str, Any]]):
    """An object, with every key as often as it was written."""


def parsed_pairs(text: str) -> Any:
    return json.loads(text, object_pairs_hook=Pairs)


def shape(value: Any) -> Any:
    """A document without its leaves and without the names of its keys."""
    if isinstance(value, Pairs):
        return {"": [shape(item) for _, item in value]}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return None


@pytest.mark.parametrize(("dialect", "source"), SHAPES)
@given(v=texts, w=texts, items=st.lists(texts, min_size=2, max_size=2))
@settings(max_examples=60, deadline=None)
def test_texts_never_change_the_structure(
    dialect: Any, source: str, v: str, w: str, items: list[str]
) -> None:
    template = compiled(source, dialect)
    harmless = template.render({"v": "a", "w": "b", "l": ["c", "d"]})
    rendered = template.render({"v": v or "-", "w": w, "l": items})
    assert shape(parsed_pairs(rendered)) == shape(parsed_pairs(harmless))
    rendered.encode()


AS_IT_WAS = '{"s": "{{.v}}", "v": {{.v}}, "j": {{toJson .v}}, "q": {{quote .v}}}'


@given(v=texts)
@settings(max_examples=200, deadline=None)
def test_a_text_arrives_as_it_was(v: str) -> None:
    template = compiled(AS_IT_WAS)
    clean = v.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if clean == v:
        assert json.loads(template.render({"v": v})) == {"s": v, "v": v, "j": v, "q": v}
    else:
        json.loads(template.render({"v": v}))


@given(v=values)
@settings(max_examples=200, deadline=None)
def test_any_value_becomes_one_json_value(v: Any) -> None:
    for dialect, source in (
        ("go", '{"a": {{.v}}, "b": "{{.v}}"}'),
        ("jinja", '{"a": {{ v }}, "b": "{{ v }}"}'),
    ):
        rendered = compiled(source, dialect).render({"v": v})
        parsed = json.loads(rendered)
        assert list(parsed) == ["a", "b"]
        assert isinstance(parsed["b"], str)
        assert shape_of_value(parsed["a"]) == shape_of_value(v)


def shape_of_value(value: Any) -> Any:
    """What a value is, without its content."""
    if isinstance(value, list):
        return [shape_of_value(item) for item in value]
    if isinstance(value, dict):
        return "map"
    return type(value).__name__ if isinstance(value, str | bool) else "scalar"


# -- the shipped bodies ---------------------------------------------------------------------------


def events(body: Path) -> list[Any]:
    """The events of the cases beside a body; of the pack, or all, when none are beside it."""
    for place in (body.parent, ROOT / body.relative_to(ROOT).parts[0], ROOT):
        cases = sorted(place.rglob("*.event.json"))
        if cases:
            return [json.loads(case.read_text(encoding="utf-8")) for case in cases]
    return []


def hostile(value: Any, draw: Any) -> Any:
    """A copy in which some strings have hostile ends."""
    if isinstance(value, str):
        return value + draw(texts) if draw(st.booleans()) else value
    if isinstance(value, list):
        return [hostile(item, draw) for item in value]
    if isinstance(value, dict):
        return {key: hostile(item, draw) for key, item in value.items()}
    return value


PRINTED = "(printed)"


@lru_cache(maxsize=16)
def traced(source: str) -> Built:
    """The body compiled so that its pieces know where they come from."""
    return _build(compile(source, context="json", missing="default")._front(), "json", trace=True)


@lru_cache(maxsize=64)
def compiled(source: str, dialect: Any = "go", missing: Any = "error") -> Template:
    return compile(source, dialect=dialect, context="json", missing=missing)


def skeleton_and_text(source: str, data: Any) -> tuple[str, str]:
    """The rendered text, and the same with every printed value replaced by a neutral one.

    Built from the pieces of the traced template: literal pieces stay; a piece that an action printed
    becomes a mark inside a string, and null or a string of that mark outside of one.
    """
    built = traced(source)
    pieces = list(flatten(built.begin(MISSING if data is None else data, None)))
    out: list[str] = []
    inside = False
    for piece in pieces:
        if piece.literal:
            out.append(piece)
            escaped = False
            for character in piece:
                if escaped:
                    escaped = False
                elif inside and character == "\\":
                    escaped = True
                elif character == '"':
                    inside = not inside
        elif not inside:
            json.loads(piece)  # a whole value by itself
            out.append("null" if not piece.startswith('"') else f'"{PRINTED}"')
        else:
            assert json.loads(f'"{piece}"') is not None
            out.append(PRINTED)
    return "".join(out), "".join(pieces)


def same_structure(skeleton: Any, document: Any) -> bool:
    """Whether the document (objects as pairs) is the skeleton with values filled in."""
    if skeleton is None:
        return True
    if isinstance(skeleton, Pairs):
        return (
            isinstance(document, Pairs)
            and len(skeleton) == len(document)
            and all(
                (PRINTED in key or key == name) and same_structure(value, item)
                for (key, value), (name, item) in zip(skeleton, document, strict=True)
            )
        )
    if isinstance(skeleton, list):
        return (
            isinstance(document, list)
            and len(skeleton) == len(document)
            and all(map(same_structure, skeleton, document))
        )
    return type(skeleton) is type(document)


@pytest.mark.skipif(not BODIES, reason="no shipped bodies here")
@pytest.mark.parametrize("body", BODIES, ids=lambda path: str(path.relative_to(ROOT)))
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_shipped_body_keeps_its_structure_whatever_the_event_says(body: Path, data: Any) -> None:
    source = body.read_text(encoding="utf-8")
    known = events(body)
    assert known, f"{body} has no cases"
    event = hostile(copy.deepcopy(data.draw(st.sampled_from(known))), data.draw)
    template = compiled(source, "go", "default")
    try:
        rendered = template.render(event)
    except TemplateError as error:
        # A body may refuse an event that is not its own; it may never write broken JSON.
        assert "no JSON" not in error.message  # noqa: PT017 - rendering is right too
        return
    skeleton, again = skeleton_and_text(source, event)
    assert again == rendered
    assert same_structure(parsed_pairs(skeleton), parsed_pairs(rendered))


# -- refused when it is compiled, or explained when it is rendered --------------------------------

BROKEN = [
    # template, line, column, message, hint
    ('{\n "a": 1\n "b": 2}', 3, 2, "a string cannot stand here", "comma"),
    ('{"a": 1,}', 1, 9, "} cannot stand here", "comma too many"),
    ("[1, 2,]", 1, 7, "] cannot stand here", "comma too many"),
    ('{"key": your-key}', 1, 9, "your-key is not JSON", "double quotes"),
    ('{"a": 01}', 1, 7, "01 is not JSON", ""),
    ('{"a" 1}', 1, 6, "1 cannot stand here", ""),
    ('{"a": 1', 1, 1, "this { is never closed", ""),
    ('{"a": "x', 1, 9, "string is never closed", "double quote"),
    ('{"a": 1}}', 1, 9, "} closes nothing", ""),
    ("[1}", 1, 3, "} closes nothing", ""),
    ('{"a": "x\ny"}', 1, 9, "a string cannot contain", "\\n"),
    ('{"a": "\\x"}', 1, 8, "\\x is not an escape", "\\\\"),
    ('{"a": 1{{.v}}}', 1, 10, "glued to a literal", "one string"),
    ('{"a": {{.v}}1}', 1, 13, "glued to an action", "one string"),
    ('{"a": {{.v}}{{.w}}}', 1, 15, "glued to an action", "one string"),
    ('{"a": -{{.v}}}', 1, 7, "- is not JSON", ""),
    ('{"a": "{{if .v}}x"{{end}}}', 1, 10, "one way ends", "must end where it began"),
    ('{"a": {{if .v}}"{{end}}x"}', 1, 9, "one way ends", "must end where it began"),
    ("[{{range .l}}[{{end}}]", 1, 4, "one way ends", "must end where it began"),
    ('{"a": "\\{{.v}}"}', 1, 8, "\\ is not an escape", ""),
]


@pytest.mark.parametrize(("source", "line", "column", "message", "hint"), BROKEN)
def test_literal_text_that_can_never_be_json_is_refused(
    source: str, line: int, column: int, message: str, hint: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        compile(source, context="json")
    error = caught.value
    assert error.reason is Reason.TEMPLATE_SYNTAX
    assert message in error.message
    assert hint in error.hint
    assert (error.line, error.column) == (line, column)


DEPENDS = [
    ("[{{range $k, $v := .m}}{{if $k}},{{end}}{{$v}}{{end}}]", 1, 33, "a value is missing"),
    (
        "[{{range $i, $x := .l}}{{if eq $x 1}}{{continue}}{{end}}{{if $i}},{{end}}{{$x}}{{end}}]",
        1,
        66,
        "a value is missing",
    ),
    (
        "[{{range $i, $x := .l}}{{$i = 1}}{{if $i}},{{end}}{{$x}}{{end}}]",
        1,
        43,
        "a value is missing",
    ),
    ("[{{range .l}}{{.}}{{end}}]", 1, 16, "a comma or a closing bracket is missing"),
    ('[\n{{range .l}}{"x": {{.}}},\n{{end}}]', 3, 8, "a value is missing"),
    ('{{if .t}}{"a": 1}{{end}}{{if .t}} {"b": 1}{{end}}', 1, 35, "the document ended before this"),
    ("{{if .f}}{}{{end}}", 1, 19, "a value is missing"),
]


@pytest.mark.parametrize(("source", "line", "column", "message"), DEPENDS)
def test_broken_json_points_at_the_template(
    source: str, line: int, column: int, message: str
) -> None:
    template = compile(source, context="json")
    with pytest.raises(TemplateError) as caught:
        template.render({"l": [1, 2], "m": {"a": 1}, "t": True, "f": False})
    error = caught.value
    assert error.reason is Reason.TEMPLATE_EXECUTION
    assert message in error.message
    assert (error.line, error.column) == (line, column)


GOOD = [
    ('{"a": {{.missing}}}', '{"a": null}'),
    ('{"a": {{.nil}}, "b": "{{.nil}}"}', '{"a": null, "b": "<no value>"}'),
    (
        '{"a": {{.n}}, "b": {{.f}}, "c": {{.t}}, "d": {{.m}}}',
        '{"a": 3, "b": 2.5, "c": true, "d": {"x":[1]}}',
    ),
    ("{{.m}}", '{"x":[1]}'),
    ('"{{.s}}"', '"q\\"s"'),
    ("{{.s}}: no", None),
    ('{"a": {{printf "%.1f" .f}}, "b": {{printf "%d%%" .n}}}', '{"a": 2.5, "b": "3%"}'),
    ('{{"{"}}', '"{"'),
    ('[{{range $i, $x := .l}}{{if $i}},{{end}}{{$x}}{{else}}"none"{{end}}]', "[1,2]"),
    ('{ {{.s}}: 1, "k{{.n}}": 2 }', '{ "q\\"s": 1, "k3": 2 }'),
    ('{{if .t}}{"a": 1}{{else}}[]{{end}}', '{"a": 1}'),
    ("[{{range .l}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{break}}{{end}}]", "[ 1]"),
    (
        '{{define "r"}}[{{if .}}{{template "r" (slice . 1)}}{{end}}]{{end}}{{template "r" .l}}',
        "[[[]]]",
    ),
    (
        '{{define "e"}}"{{.}}"{{end}}{"a": {{template "e" .n}}, "b": "<{{block "i" .s}}{{.}}{{end}}>"}',
        '{"a": "3", "b": "<q\\"s>"}',
    ),
]


@pytest.mark.parametrize(("source", "expected"), GOOD)
def test_values_are_written_for_their_place(source: str, expected: str | None) -> None:
    data = {"n": 3, "f": 2.5, "t": True, "m": {"x": [1]}, "s": 'q"s', "l": [1, 2], "nil": None}
    rendered = compile(source, context="json", missing="default").render(data)
    if expected is None:
        assert rendered == 'q"s: no'  # no JSON, and does not begin like JSON: text
    else:
        assert rendered == expected
        json.loads(rendered)


@pytest.mark.parametrize(
    "source", ['payload={"a": "{{.v}}"}', "https://x.y/{{.v}}?q={{.v}}", "Hello {{.v}}"]
)
def test_a_form_or_a_url_is_text(source: str) -> None:
    assert compile(source, context="json").render({"v": '"'}) == source.replace("{{.v}}", '"')


def test_a_straight_body_is_proven_and_never_parsed() -> None:
    assert compile('{"a": "{{.v}}", "b": [{{.v}}]}', context="json")._whole.parse is False
    assert compile("[{{range .l}}{{.}},{{end}}1]", context="json")._whole.parse is False
    assert compile("[{{range .l}}{{.}},{{end}}]", context="json")._whole.parse is True
    listed = "[{{range $i, $x := .l}}{{if $i}},{{end}}{{$x}}{{end}}]"
    assert compile(listed, context="json")._whole.parse is False
    calculated = "{{$n := 0}}{{range .l}}{{$n = .}}{{end}}[{{$n}}]"
    assert compile(calculated, context="json")._whole.parse is False
    loop = "[{% for x in l %}{% if not loop.first %},{% endif %}{{ x }}{% endfor %}]"
    assert compile(loop, context="json", dialect="jinja")._whole.parse is False
