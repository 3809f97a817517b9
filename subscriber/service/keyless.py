"""A request as PagerDuty would read it, without its routing key: for people, tests and reports.

Rules: encoded by the same code that sends, with a key that is none and is taken out again, so that
nothing here needs or could show a real one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from subscriber.model import Intent
from subscriber.pagerduty import Accounts, account, request_for

_NO_KEY = "0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyless:
    """What would be sent.

    Attributes:
        api: ``events`` or ``changes``.
        body: the request's JSON without `routing_key`.
    """

    api: str
    body: dict[str, Any]


def keyless(intent: Intent) -> Keyless:
    """The request for an intent, without its key.

    Raises:
        Problem: it does not fit into a request.
    """
    request = request_for(intent, Accounts([account(intent.service, _NO_KEY)]))
    body: dict[str, Any] = json.loads(request.body)
    del body["routing_key"]
    return Keyless(api=request.api.value, body=body)
