"""What PagerDuty's Events API v2 takes: one table, from which everything else here is derived.

Rules: lengths are in characters (code points), the size of a request in encoded bytes. `source`
says where the rule comes from: PagerDuty's documentation of the Events API v2 and of change events,
and for some lengths ours, where PagerDuty publishes none but one field could crowd out the rest.

This module does not know how a value is brought within its limits; `normalise` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from subscriber.model import Action

REQUEST_BYTES = 512_000
"""One request, encoded. Published as "512 KB"; the smaller reading is the safe one."""

RESERVED_BYTES = 4_096
"""Of these, kept free for routing key, action and dedup key (255 characters, escaped: 1530)."""

SUMMARY_CHARACTERS = 1024
DEDUP_KEY_CHARACTERS = 255
ROUTING_KEY_CHARACTERS = 32
TEXT_CHARACTERS = 1024
URL_CHARACTERS = 8192
DETAILS_DEPTH = 50
ATTACHMENTS = 100
"""Links, and images, that one event carries."""

SEVERITIES = ("critical", "error", "warning", "info")

DOCS = "PagerDuty's documentation"
OURS = "PagerDuty's documentation; the length is ours"

ALERTING = (Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE)
"""The actions of the Events API; a change event is the other API's only action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a request.

    Attributes:
        name: dotted, as in the request.
        required: the actions that cannot do without (for `payload.*` of acknowledge and resolve:
            whenever there is a payload at all).
        allowed: the actions that may carry it.
        characters: longest text, 0 when unlimited.
        rule: the rule in words.
        on_breach: what `normalise` does about a value that breaks the rule.
        source: where the rule comes from.
    """

    name: str
    required: tuple[Action, ...] = ()
    allowed: tuple[Action, ...] = tuple(Action)
    characters: int = 0
    rule: str
    on_breach: str
    source: str = DOCS


_ALL = tuple(Action)
_TRIGGER = (Action.TRIGGER,)

FIELDS: tuple[Field, ...] = (
    Field(
        name="routing_key",
        required=_ALL,
        characters=ROUTING_KEY_CHARACTERS,
        rule="32 letters and digits; keys that begin with R take no change events",
        on_breach="refused when the account is configured",
    ),
    Field(
        name="event_action",
        required=ALERTING,
        allowed=ALERTING,
        rule="trigger, acknowledge or resolve",
        on_breach="refused",
    ),
    Field(
        name="dedup_key",
        required=ALERTING,
        allowed=ALERTING,
        characters=DEDUP_KEY_CHARACTERS,
        rule="1 to 255 characters; PagerDuty would invent one for a trigger, we never let it",
        on_breach="shortened, the same way every time",
    ),
    Field(
        name="payload.summary",
        required=_ALL,
        characters=SUMMARY_CHARACTERS,
        rule="not blank",
        on_breach="cut with a visible mark; the whole text moves to custom_details",
    ),
    Field(
        name="payload.source",
        required=ALERTING,
        characters=TEXT_CHARACTERS,
        rule="not blank",
        on_breach="the event's source stands in; cut with a mark",
        source=OURS,
    ),
    Field(
        name="payload.severity",
        required=ALERTING,
        allowed=ALERTING,
        rule="critical, error, warning or info; lower case",
        on_breach="lower-cased; anything else is refused",
    ),
    Field(
        name="payload.timestamp",
        rule="ISO 8601, e.g. 2015-07-17T08:42:58.315+0000",
        on_breach="rewritten in that form, or left out",
    ),
    Field(
        name="payload.component",
        allowed=ALERTING,
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="payload.group",
        allowed=ALERTING,
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="payload.class",
        allowed=ALERTING,
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="payload.custom_details",
        rule="an object",
        on_breach="anything else is wrapped in one; shed entry by entry, largest first",
    ),
    Field(
        name="links[].href",
        allowed=(Action.TRIGGER, Action.CHANGE),
        characters=URL_CHARACTERS,
        rule="an absolute URL",
        on_breach="the link is left out",
        source=OURS,
    ),
    Field(
        name="links[].text",
        allowed=(Action.TRIGGER, Action.CHANGE),
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="images[].src",
        allowed=_TRIGGER,
        characters=URL_CHARACTERS,
        rule="an https URL",
        on_breach="the image is left out",
        source=OURS,
    ),
    Field(
        name="images[].href",
        allowed=_TRIGGER,
        characters=URL_CHARACTERS,
        rule="an absolute URL",
        on_breach="left out",
        source=OURS,
    ),
    Field(
        name="images[].alt",
        allowed=_TRIGGER,
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="client",
        allowed=_TRIGGER,
        characters=TEXT_CHARACTERS,
        rule="text",
        on_breach="cut with a mark",
        source=OURS,
    ),
    Field(
        name="client_url",
        allowed=_TRIGGER,
        characters=URL_CHARACTERS,
        rule="an absolute URL",
        on_breach="left out",
        source=OURS,
    ),
)

BY_NAME = {field.name: field for field in FIELDS}


@cache
def payload_names(action: Action) -> frozenset[str]:
    """The names of what the payload of this action may have."""
    return frozenset(
        field.name.removeprefix("payload.")
        for field in FIELDS
        if field.name.startswith("payload.") and action in field.allowed
    )
