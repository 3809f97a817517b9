"""The list of functions, for the command line and for docs/functions.md.

Rule: everything is taken from the registry; the differences from the originals and what is left out
are told here and nowhere else. The tests hold `DIFFERENCES` against what the originals really said.

This module does not know how documentation is shown.
"""

from __future__ import annotations

import json

from subscriber.model.event import Json
from subscriber.template.functions.registry import FUNCTIONS, Example, Function

CATEGORIES: dict[str, str] = {
    "defaults": "When something is missing, and choices",
    "strings": "Text",
    "lists": "Lists",
    "maps": "Maps",
    "numbers": "Numbers",
    "dates": "Times and durations",
    "json": "JSON",
    "regex": "Regular expressions",
    "encoding": "Encodings and checksums",
    "urls": "URLs",
    "kinds": "Kinds of values",
    "alertmanager": "Names and functions of Alertmanager",
}
"""Every category in the order of the list, with its heading."""

DIFFERENCES: dict[str, str] = {
    "cut-characters": (
        "`trunc`, `abbrev`, `abbrevboth`, `substr` and `wrapWith` count bytes of UTF-8 as the"
        " originals do, but never cut through a character: the original leaves broken bytes "
        "there."
    ),
    "nospace": (
        "`nospace` takes out white space character by character; the original garbles text "
        "beyond ASCII."
    ),
    "one-integer": (
        "Go's `int` and `int64` are one type: `repeat (add 1 1)`, `trunc (int64 3)` and "
        "`duration 95` work, `kindOf` says `int`."
    ),
    "nothing-is-empty": (
        "Null where a map is expected is an empty map, as a missing key is in the originals; "
        "`dig` gives its fallback when it meets null on its way."
    ),
    "empty-list": (
        "An empty list is `[]` in JSON, also where the original's is `null` (`rest`, "
        "`initial`, `regexFindAll`)."
    ),
    "sorted": (
        "`keys` and `values` go by sorted key; the originals' order changes from run to run."
    ),
    "unchanged": (
        "Nothing is changed in place: `merge` and `mergeOverwrite` give a new map and leave "
        "their first argument alone."
    ),
    "times-are-text": (
        "A time is RFC 3339 text (or seconds since 1970), and prints as that. `date`, `ago` "
        "and the others read such text; where the original would silently take the current "
        "time for what it cannot read, there is an error. `since` gives text too, and "
        "`humanizeDuration` reads durations such as `1h30m`."
    ),
    "event-time": (
        "`now`, `ago` and `since` go by the time of the event, so that rendering again gives "
        "the same page."
    ),
    "utc": ("`date`, `htmlDate` and `toDate` take UTC for the local zone."),
    "wrong-pattern": (
        "A wrong regular expression is an error for `regexMatch` too; the original says "
        "`false`. Expressions are limited to 1000 characters and to a size (a few thousand "
        "steps)."
    ),
    "sprig-wins": (
        "Where sprig and Alertmanager mean different things by a name, sprig's meaning holds:"
        " `title` leaves the other letters alone, `date` converts to UTC (use `tz` first), "
        "`dict` takes an odd number of arguments and keys of any type, `join` takes a list of"
        " anything."
    ),
}
"""What differs from the originals, by a short name."""

LEFT_OUT: dict[str, str] = {
    "`env`, `expandenv`, `getHostByName`, `osBase` and the like": (
        "templates reach no environment, file or network"
    ),
    "`randAlpha` and the like, `uuidv4`, `shuffle`": (
        "a page reads the same when it is rendered again"
    ),
    "`genCA`, `derivePassword`, `bcrypt`, `htpasswd`, `encryptAES` and the like": (
        "a page is no place for secrets"
    ),
    "`set`, `unset`, `deepCopy`": ("nothing is changed in place; use `merge`, `omit`"),
    "`fail`": ("a page with a gap is better than no page"),
    (
        "`semver`, `semverCompare`, `snakecase`, `camelcase`, `kebabcase`, `initials`, "
        "`swapcase`, `untitle`, `toDecimal`, `b32enc`, `b32dec`, `base`, `dir`, `clean`, `ext`, "
        "`typeOf` and the like"
    ): ("no template on call has asked for them yet"),
    "`tuple`, `push`, `biggest`, `trimall`": ("old names of `list`, `append`, `max`, `trimAll`"),
    "`mustToJson`, `mustFirst`, `mustRegexMatch` and the like": (
        "the functions without `must` report errors already"
    ),
    "`slice` of sprig": ("the builtin `slice` of the template language has the name"),
    "`safeHtml`, `safeUrl`, `routeLabels`": ("they belong to e-mails and to Alertmanager's routes"),
}
"""What the originals have and this library has not, with the reason."""


def catalogue() -> tuple[Function, ...]:
    """Every function, by category in the order of `CATEGORIES`, then by name."""
    order = list(CATEGORIES)
    return tuple(
        sorted(
            FUNCTIONS.values(),
            key=lambda function: (order.index(function.category), function.name.lower()),
        )
    )


def render_markdown() -> str:
    """The page docs/functions.md."""
    parts = [_PREFACE]
    parts += ["## What differs from the originals\n"]
    parts += [f"- {sentence}" for sentence in DIFFERENCES.values()]
    parts += ["\n## What is left out\n"]
    parts += [f"- {names}: {reason}." for names, reason in LEFT_OUT.items()]
    category = ""
    for function in catalogue():
        if function.category != category:
            category = function.category
            parts.append(f"\n## {CATEGORIES[category]}")
        parts.append(f"\n### {_code(function.signature)}\n\n{function.doc}\n")
        parts += [_example(example) for example in function.examples]
    return "\n".join(parts) + "\n"


_PREFACE = """\
# Template functions

<!-- Made from the functions themselves by `render_markdown` in
subscriber/template/functions/catalogue.py; a test holds it against the code. -->

Templates have these functions beside the builtins of Go's text/template (`and`, `or`, `not`, `eq`,
`ne`, `lt`, `le`, `gt`, `ge`, `len`, `index`, `slice`, `print`, `printf`, `println`, `html`, `js`,
`urlquery`, `call`). They have the names, the order of arguments and the results of
[sprig](https://masterminds.github.io/sprig/) and of
[Alertmanager](https://prometheus.io/docs/alerting/latest/notifications/#functions), so that
templates and pipelines written for those work: the value that is piped in is the last argument.

In the Jinja dialect each function can be called, `{{ trunc(8, commit) }}`, and is a filter,
`{{ commit | trunc(8) }}`; where Jinja has a filter of the same name (`default`, `upper`, `join` and
more), the filter is Jinja's.

More than 5000 expressions were recorded from the real libraries, odd input included, and are held
against these functions by the tests. The examples below see 2024-05-06T07:08:09Z as the time of the
event.
"""


def _example(example: Example) -> str:
    template, data, output = example
    given = "" if data is None else f" with {_code(_json(data))}"
    return f"- {_code(template)}{given} gives {_code(_visible(output))}"


def _json(data: Json) -> str:
    return json.dumps(data, ensure_ascii=False)


def _visible(output: str) -> str:
    return _json(output) if "\n" in output or output != output.strip() else output


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
