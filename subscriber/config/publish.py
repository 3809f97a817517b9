"""The models of the configuration, published: a JSON Schema for editors, a page for people.

Rules: both come from the models alone, so they cannot say something else than what is loaded. What
a schema cannot say (whether templates compile, whether files exist) is left to `check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from subscriber.config.rule import RuleSpec, Section
from subscriber.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KEY_SOURCES = ("routing_key_env", "routing_key_file", "routing_key")

PAGE_HEAD = """\
# Configuration

<!-- Made from the models in subscriber/config/ by `pagerduty-subscriber docs`; a test holds it
against them. -->

One YAML file, `pagerduty-subscriber run --config subscriber.yaml`; every part may be left out, and
without a file the defaults below hold. Unknown keys and wrong values are refused at start, with
their place. Times are in seconds. Relative paths start at the folder of the file. Where a list is
expected a single value will do.

Editors complete and check the file with the JSON Schema that `init` writes beside it, or that
`pagerduty-subscriber schema` prints.

These environment variables win over the file: `NATS_URL` (servers, separated by commas),
`NATS_PASSWORD`, `NATS_TOKEN`. `NATS_USER` counts when the file names no user, and
`PAGERDUTY_ROUTING_KEY` when it names no `services`.
"""


def config_schema(*, rules: Iterable[str] = (), packs: Iterable[str] = ()) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `subscriber.yaml`.

    Args:
        rules: names that `use` may have; offered by editors, not enforced.
        packs: names that `packs` may have; likewise.
    """
    schema = _schema(Config, "The configuration of pagerduty-subscriber.")
    models = schema["$defs"]
    rule = models["RuleSpec"]
    rule["anyOf"] = [{"required": ["name"]}, {"required": ["use"]}]
    models["ServiceSpec"]["oneOf"] = [{"required": [name]} for name in _KEY_SOURCES]
    _offer(rule["properties"]["use"], rules)
    _offer(schema["properties"]["packs"], packs)
    return schema


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of a pack's `rule.yaml`, whose name is its folder's."""
    return _schema(RuleSpec, "A rule of a pack, `<pack>/<rule>/rule.yaml`.")


def _offer(field: dict[str, Any], names: Iterable[str]) -> None:
    listed = list(names)
    if listed:
        field["examples"] = listed


def _schema(model: type[Section], description: str) -> dict[str, Any]:
    found = model.model_json_schema()
    for name, section in _sections(model).items():
        part = found if section is model else found["$defs"][name]
        part.pop("title", None)
        for key, field in section.model_fields.items():
            told = part["properties"][key]
            told.pop("title", None)
            if "description" in told:
                told["description"] = " ".join(told["description"].split())
            default = field.get_default(call_default_factory=True)
            if isinstance(default, list | dict) and default:
                told["default"] = default
            if told.get("default") is None:
                told.pop("default", None)
        if "description" in part:
            part["description"] = " ".join(part["description"].split())
    return {"$schema": DIALECT, "title": model.__name__, **found, "description": description}


def _sections(model: type[BaseModel]) -> dict[str, type[Section]]:
    """A model and all that its fields hold, by name."""
    found: dict[str, type[Section]] = {}
    pending: list[Any] = [model]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Section):
            if annotation.__name__ not in found:
                found[annotation.__name__] = annotation
                pending += [field.annotation for field in annotation.model_fields.values()]
        else:
            pending += getattr(annotation, "__args__", ())
    return found


# -- the page ------------------------------------------------------------------------------------


def reference_page() -> str:
    """The page docs/configuration.md."""
    schema = config_schema()
    lines = [PAGE_HEAD]
    for path, model in _chapters(schema):
        # the top of the file needs no title of its own
        lines += [f"## `{path}`\n", f"{model['description']}\n"] if path else ["## The file\n"]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [_row(schema, path, key, field) for key, field in model["properties"].items()]
        lines.append("")
    return "\n".join(lines)


def _chapters(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping of the file with its path, in the order of the file."""
    pending: list[tuple[str, Mapping[str, Any]]] = [("", schema)]
    while pending:
        path, model = pending.pop(0)
        yield path, model
        inner = []
        for key, field in model["properties"].items():
            name, below = _model_in(field)
            if name:
                inside = f"{path}.{key}" if path else key
                inner.append((inside + below, schema["$defs"][name]))
        pending = inner + pending


def _model_in(field: Mapping[str, Any]) -> tuple[str, str]:
    """The model that a field holds and how one gets to it; empty for plain values."""
    if "$ref" in field:
        return field["$ref"].rsplit("/", 1)[1], ""
    for part in field.get("anyOf", ()):
        if "$ref" in part:
            return _model_in(part)
    if "$ref" in field.get("items", {}):
        return _model_in(field["items"])[0], "[]"
    inner = field.get("additionalProperties")
    if isinstance(inner, dict) and "$ref" in inner:
        return _model_in(inner)[0], ".<name>"
    return "", ""


def _row(schema: Mapping[str, Any], path: str, key: str, field: Mapping[str, Any]) -> str:
    name, below = _model_in(field)
    meaning = field.get("description") or schema["$defs"][name]["description"]
    if name:
        target = (f"{path}.{key}" if path else key) + below
        kind = {"": "mapping", "[]": "list of mappings", ".<name>": "mapping by name"}[below]
        meaning += f" See [`{target}`](#{_anchor(target)})."
    else:
        kind = _kind(field)
    default = field.get("default")
    if isinstance(default, float):
        default = f"{default:g}"
    shown = "" if default in (None, "", [], {}) else f"`{json.dumps(default, ensure_ascii=False)}`"
    if isinstance(default, str) and default:
        shown = f"`{default}`"
    return f"| `{key}` | {kind} | {shown} | {meaning} |".replace("|  |", "| |")


def _anchor(title: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "null": "null",
}


def _kind(field: Mapping[str, Any]) -> str:
    """What may be written, in words."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        parts = [part for part in field["anyOf"] if part.get("type") != "null"]
        lists = [part for part in parts if part.get("type") == "array"]
        return " or ".join(dict.fromkeys(_kind(part) for part in lists or parts))
    kind = field.get("type")
    if kind == "array":
        inner = _kind(field["items"])
        return f"list of {'texts' if inner == 'text' else 'values'}"
    if kind == "object" and field.get("additionalProperties") not in (None, True, False):
        inner = _kind(field["additionalProperties"])
        return f"path -> {inner.replace('list of values', 'value, or a list of them')}"
    word = _WORDS[str(kind)]
    low, high = field.get("minimum"), field.get("maximum")
    if field.get("exclusiveMinimum") == 0:
        return f"{word} above 0"
    if low is not None:
        return f"{word}, {low} to {high}" if high is not None else f"{word}, at least {low}"
    return word
