"""The document of a change event: POST /v2/change/enqueue.

Rules: a payload and links, nothing else; no action, no dedup key (so the same change sent twice is
shown twice).

This module does not know the routing key.
"""

from __future__ import annotations

from subscriber.model import Intent, Json, Problem, Reason


def change_document(intent: Intent) -> dict[str, Json]:
    """Everything of the request but its routing key.

    Raises:
        Problem: INVALID_BODY without a payload.
    """
    if intent.payload is None:
        raise Problem(
            Reason.INVALID_BODY, "a change event needs a payload with a summary", where="payload"
        )
    document: dict[str, Json] = {"payload": dict(intent.payload)}
    if intent.links:
        document["links"] = [dict(link) for link in intent.links]
    return document
