"""URLs in templates: taking them apart, putting them together, decoding.

Rule: parts have sprig's names: scheme, userinfo, host (with port), hostname, path, query, opaque
and fragment.

This module does not know the grammar of URLs; `urlparts` does.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from subscriber.model.event import Json
from subscriber.model.problem import excerpt
from subscriber.template.functions.arguments import mapping, text_by_letters
from subscriber.template.functions.registry import FunctionError, Run, function, kind_of
from subscriber.template.functions.urlparts import BadUrl, Parts, join, parse
from subscriber.template.semantics.values import from_bytes, to_bytes

_JOINED = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


@function(
    "urlParse",
    signature="urlParse url",
    doc="A map of the parts of a URL: scheme, userinfo, host, hostname, path, query, opaque "
    "and fragment.",
    category="urls",
    examples=[
        ("{{(urlParse .url).hostname}}", {"url": "https://ci.example.org:8443/job/7"},
         "ci.example.org"),
    ],
    run=True,
)  # fmt: skip
def url_parse(run: Run, value: Json) -> Json:
    """Refuses what Go refuses."""
    url = text_by_letters(run, value)
    try:
        parts = parse(url)
    except BadUrl as error:
        raise FunctionError(f"{excerpt(url)} is not a URL: {error}") from None
    return {**{name: getattr(parts, name) for name in _JOINED}, "hostname": parts.hostname}


@function(
    "urlJoin",
    signature="urlJoin map",
    doc="The URL made of a map of parts (see `urlParse`).",
    category="urls",
    examples=[
        ('{{dict "scheme" "https" "host" .host "path" "/a b" | urlJoin}}',
         {"host": "ci.example.org"}, "https://ci.example.org/a%20b"),
    ],
)  # fmt: skip
def url_join(parts: Json) -> Json:
    """Parts that are missing are empty; parts must be text."""
    given = mapping(parts, "the parts")
    present = {name: given[name] for name in _JOINED if name in given}
    wrong = [name for name, part in present.items() if not isinstance(part, str)]
    if wrong:
        raise FunctionError(f"the {wrong[0]} must be text, not {kind_of(present[wrong[0]])}")
    try:
        return join(Parts(**{name: str(part) for name, part in present.items()}))
    except BadUrl as error:
        raise FunctionError(f"the parts make no URL: {error}") from None


@function(
    "urlUnescape",
    signature="urlUnescape text",
    doc="The text that a URL's query means: `%20` and `+` become spaces and so on.",
    category="alertmanager",
    examples=[('{{urlUnescape "a%20b+c%3D1"}}', None, "a b c=1")],
    run=True,
)
def url_unescape(run: Run, value: Json) -> Json:
    """The opposite of the builtin urlquery."""
    source = text_by_letters(run, value)
    bad = _BAD_ESCAPE.search(source)
    if bad:
        raise FunctionError(f"the escape {excerpt(bad[0])} is wrong")
    return from_bytes(unquote_to_bytes(to_bytes(source.replace("+", " "))))
