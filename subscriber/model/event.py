"""Event: what happened, in the words of the CloudEvents specification 1.0.2.

An Event is only made by `cloudevent.decode`, which has checked every attribute; code behind it
trusts the types below. `document()` is the value a template sees as `.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from subscriber.model.record import record

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@record(frozen=True, slots=True, kw_only=True)
class Event:
    """One CloudEvent (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).

    Attributes:
        id, source, type, specversion: the required attributes, never empty.
        time: RFC 3339 text exactly as the producer wrote it, or empty.
        occurred_at: the same instant in seconds since 1970, or None.
        subject, datacontenttype, dataschema: optional attributes, empty when absent.
        extensions: extension attributes (lower-case names), e.g. ``shkeptncontext``.
        data: the decoded payload: JSON value, text for a text/* type, None when absent.
        index: position inside the message (0, or the place in a batch).
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    time: str = ""
    occurred_at: float | None = None
    subject: str = ""
    datacontenttype: str = ""
    dataschema: str = ""
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict)
    data: Json = None
    index: int = 0

    def document(self) -> dict[str, Json]:
        """The event as templates see it: attributes and extensions at the top, payload in `data`.

        As in Keptn's webhook-service, optional attributes that are absent have no key, so that
        `missing=error` notices a misspelling.
        """
        document: dict[str, Json] = {
            "specversion": self.specversion,
            "id": self.id,
            "source": self.source,
            "type": self.type,
        }
        if self.time:
            document["time"] = self.time
        if self.subject:
            document["subject"] = self.subject
        if self.datacontenttype:
            document["datacontenttype"] = self.datacontenttype
        if self.dataschema:
            document["dataschema"] = self.dataschema
        document.update(self.extensions)
        document["extensions"] = dict(self.extensions)
        document["data"] = self.data
        return document
