"""The shape of a rule, in `subscriber.yaml` and in `templates/<pack>/<rule>/rule.yaml` alike.

Rules: nothing is looked up or compiled here; this only says what may be written. `rules/` gives it
meaning. Every description below is what the schema, the documentation and editors show.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Scalar: TypeAlias = str | bool | int | float | None


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _scalars(value: Any) -> Any:
    values = _one_or_many(value)
    if any(isinstance(item, dict | list) for item in values):
        raise ValueError("must be a value, a glob, or a list of them")
    return values


Pattern: TypeAlias = Annotated[
    list[Scalar],
    BeforeValidator(_scalars, json_schema_input_type=Scalar | list[Scalar]),
    Field(min_length=1),
]
Types: TypeAlias = Annotated[
    list[str],
    BeforeValidator(_one_or_many, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]


class Section(BaseModel):
    """Every part of the configuration: unknown keys refused, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        defer_build=True,  # only what is validated is built, once: a third of the import's time
    )


class RuleSpec(Section):
    """When an event concerns us, and what PagerDuty is told."""

    name: str = Field(default="", max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/ -]*$|^$")
    """Name in logs, metrics and errors; a shipped rule's is its path, e.g. `keptn/evaluation`."""

    use: str = ""
    """A shipped rule to start from, e.g. `keptn/evaluation`; what is written here overrides it.
    `match` and `body` are merged key by key, everything else is replaced."""

    description: str = ""
    """For people."""

    enabled: bool = True
    """`false` switches the rule off."""

    types: Types | None = None
    """CloudEvents types, each a glob: `sh.keptn.event.*.finished`."""

    match: dict[str, Pattern] | None = None
    """Dotted path -> value, glob or list of them. All paths must match, one value of a list is
    enough. A dot inside a key is written `\\.`; list elements are reached by number."""

    when: str | None = None
    """A further condition in the rule's dialect, without braces: `gt .data.evaluation.score 5.0`.
    """

    action: str | None = None
    """Template: `trigger`, `acknowledge`, `resolve`, `change`, or nothing (skips the event)."""

    service: str | None = None
    """Template: the name of an entry under `services`. Never a routing key. Default: `default`."""

    dedup_key: str | None = None
    """Template: what PagerDuty deduplicates by; a trigger and its resolve must render the same."""

    body_file: str | None = None
    """A template file that renders to JSON: a whole Events API document or only its payload."""

    body: dict[str, Any] | None = None
    """The same, written inline with templates at its leaves; laid over `body_file` when both are
    given, and wins."""

    dialect: Literal["go", "jinja"] | None = None
    """Language of all templates of the rule: Go's text/template (default) or Jinja."""

    missing: Literal["error", "default", "zero"] | None = None
    """What a missing key does, as Go's `missingkey` option. Default: `error`."""

    on_render_error: Literal["page", "dead-letter"] | None = None
    """When a template fails for an event that wanted a trigger: send a plain fallback page
    (default), or only write a dead letter."""

    @model_validator(mode="after")
    def _has_an_identity(self) -> RuleSpec:
        if not self.use and not self.name:
            raise ValueError("a rule needs a `name`, or `use: pack/rule`")
        return self

    @property
    def label(self) -> str:
        """The rule's name, or that of the shipped rule it uses."""
        return self.name or self.use


def overlay(base: RuleSpec, over: RuleSpec) -> RuleSpec:
    """The shipped rule `base` with everything that `over` sets laid on top.

    `match` and `body` merge by key (deep for `body`); every other field replaces.
    """
    merged: dict[str, Any] = {name: getattr(base, name) for name in base.model_fields_set}
    for field in over.model_fields_set:
        value = getattr(over, field)
        if field == "match" and isinstance(value, dict):
            value = {**(base.match or {}), **value}
        elif field == "body" and isinstance(value, dict):
            value = merge(base.body or {}, value)
        merged[field] = value
    merged.pop("use", None)
    merged["name"] = over.label
    return RuleSpec.model_construct(_fields_set=set(merged), **merged)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings merge, everything else replaces."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return result
