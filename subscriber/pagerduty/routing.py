"""From an Intent to a complete request: the one place where the routing key enters.

Rules: which API an action goes to is a table; the body is encoded once, compact, in UTF-8, and is
never longer than PagerDuty takes. What comes out holds a secret and is only for the HTTP port.

This module does not know how an Intent came about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from subscriber.model import Action, Intent, Json, Problem, Reason
from subscriber.pagerduty.accounts import Accounts
from subscriber.pagerduty.changes import change_document
from subscriber.pagerduty.events import event_document
from subscriber.pagerduty.limits import REQUEST_BYTES
from subscriber.pagerduty.request import Api, Request

ROUTES: Mapping[Action, tuple[Api, Callable[[Intent], dict[str, Json]]]] = {
    Action.TRIGGER: (Api.EVENTS, event_document),
    Action.ACKNOWLEDGE: (Api.EVENTS, event_document),
    Action.RESOLVE: (Api.EVENTS, event_document),
    Action.CHANGE: (Api.CHANGES, change_document),
}

_encode = msgspec.json.Encoder().encode


def api_of(action: Action) -> Api:
    """The endpoint that an action goes to."""
    return ROUTES[action][0]


def request_for(intent: Intent, accounts: Accounts) -> Request:
    """The request that says the intent.

    Raises:
        Problem: UNKNOWN_SERVICE; INVALID_VALUE for a change event to a ruleset key;
            MISSING_DEDUP_KEY; INVALID_BODY when the encoded request is too large or cannot be
            encoded. None of them for an Intent whose parts come from `normalise`.
    """
    account = accounts.of(intent.service)
    api, document_of = ROUTES[intent.action]
    if api is Api.CHANGES and not account.takes_changes:
        raise Problem(
            Reason.INVALID_VALUE,
            f"the key of service {intent.service} belongs to a ruleset and takes no change events",
            where=f"services.{intent.service}",
            hint="give change events a service with an integration key of its own",
        )
    document = {
        "routing_key": account.routing_key.get_secret_value(),
        **document_of(intent),
    }
    try:
        body = _encode(document)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Without the cause: its text might quote the document.
        raise Problem(
            Reason.INVALID_BODY, "the request cannot be written as JSON", where="payload"
        ) from None
    if len(body) > REQUEST_BYTES:
        raise Problem(
            Reason.INVALID_BODY,
            f"the request has {len(body)} bytes, PagerDuty takes {REQUEST_BYTES}",
            where="payload",
        )
    return Request(api=api, service=intent.service, url=account.url(api), body=body)
