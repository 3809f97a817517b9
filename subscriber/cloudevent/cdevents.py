"""A CDEvents document that travels without its CloudEvents envelope.

Rules (CloudEvents Binding for CDEvents): id, source, type and time come from `context`, the subject
is `subject.id`, the data is the whole document. So a bare document gives the very event that its
envelope would have given.

This module does not know the CDEvents vocabulary.
"""

from __future__ import annotations

from subscriber.model import Json

CONTENT_TYPE = "application/cdevents+json"


def is_bare(document: dict[str, Json]) -> bool:
    """Whether this is a CDEvents document and not a CloudEvent."""
    context = document.get("context")
    return (
        "specversion" not in document
        and isinstance(context, dict)
        and isinstance(context.get("type"), str)
        and isinstance(document.get("subject"), dict)
    )


def wrap(document: dict[str, Json]) -> dict[str, Json]:
    """The structured CloudEvent around a bare document (attributes yet to be checked)."""
    context, subject = document["context"], document["subject"]
    assert isinstance(context, dict)
    assert isinstance(subject, dict)
    return {
        "specversion": "1.0",
        "id": context.get("id"),
        "source": context.get("source"),
        "type": context.get("type"),
        "time": context.get("timestamp"),
        "subject": subject.get("id"),
        "dataschema": context.get("schemaUri"),
        "datacontenttype": CONTENT_TYPE,
        "data": document,
    }
