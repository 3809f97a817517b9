"""PagerDuty's Events API v2 as plain values: what may be said, and what the answers mean.

`normalise` and `normalise_dedup_key` bring what a rule produced within PagerDuty's limits,
`request_for` writes the request (the routing key enters there and nowhere else), `judge` reads the
answer. What is sent is told in docs/pagerduty.md.
"""

from subscriber.pagerduty.accounts import HOSTS, Account, Accounts, account
from subscriber.pagerduty.judge import is_about_the_key, judge
from subscriber.pagerduty.normalise import (
    DOCUMENT_FIELDS,
    Normalised,
    normalise,
    normalise_dedup_key,
    refuse_routing_key,
)
from subscriber.pagerduty.request import Api, Reply, Request
from subscriber.pagerduty.routing import api_of, request_for

__all__ = [
    "DOCUMENT_FIELDS",
    "HOSTS",
    "Account",
    "Accounts",
    "Api",
    "Normalised",
    "Reply",
    "Request",
    "account",
    "api_of",
    "is_about_the_key",
    "judge",
    "normalise",
    "normalise_dedup_key",
    "refuse_routing_key",
    "request_for",
]
