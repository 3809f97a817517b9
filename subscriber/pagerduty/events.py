"""The document of an alert event: POST /v2/enqueue.

Rules: one dedup key always; `payload` as the Intent has it (None leaves it out); `client` and what
else decorates an alert only where there is something to say.

This module does not know the routing key.
"""

from __future__ import annotations

from subscriber.model import Intent, Json, Problem, Reason
from subscriber.pagerduty.limits import DEDUP_KEY_CHARACTERS


def event_document(intent: Intent) -> dict[str, Json]:
    """Everything of the request but its routing key.

    Raises:
        Problem: MISSING_DEDUP_KEY when the key is not 1 to 255 characters long.
    """
    if not 1 <= len(intent.dedup_key) <= DEDUP_KEY_CHARACTERS:
        raise Problem(
            Reason.MISSING_DEDUP_KEY,
            f"the dedup key has {len(intent.dedup_key)} characters, not 1 to 255",
            where="dedup_key",
        )
    document: dict[str, Json] = {
        "event_action": intent.action.value,
        "dedup_key": intent.dedup_key,
    }
    if intent.payload is not None:
        document["payload"] = dict(intent.payload)
    if intent.client:
        document["client"] = intent.client
    if intent.client_url:
        document["client_url"] = intent.client_url
    if intent.links:
        document["links"] = [dict(link) for link in intent.links]
    if intent.images:
        document["images"] = [dict(image) for image in intent.images]
    return document
