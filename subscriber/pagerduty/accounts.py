"""Accounts: which routing key and which host stand behind the name of a service.

Rules: a key is checked for its shape once, here, and never shown: not in a repr, not in a message,
not in part. Only `routing.request_for` reads it.

This module does not know where keys are kept; the composition root reads environment and files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import SecretStr

from subscriber.model import Problem, Reason, excerpt
from subscriber.pagerduty.limits import ROUTING_KEY_CHARACTERS
from subscriber.pagerduty.request import Api

HOSTS: Mapping[str, str] = {
    "us": "https://events.pagerduty.com",
    "eu": "https://events.eu.pagerduty.com",
}
"""Base URL by service region."""

PATHS: Mapping[Api, str] = {Api.EVENTS: "/v2/enqueue", Api.CHANGES: "/v2/change/enqueue"}

_RULESET = "R"
"""Keys of rulesets begin with it; they take alerts, but no change events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One service: its name in rules, its routing key, and the base URL of the Events API."""

    service: str
    routing_key: SecretStr
    events_url: str

    def url(self, api: Api) -> str:
        """Absolute URL of one of the two endpoints."""
        return self.events_url + PATHS[api]

    @property
    def takes_changes(self) -> bool:
        """Whether change events can be sent with this key."""
        return not self.routing_key.get_secret_value().startswith(_RULESET)


def account(
    service: str, routing_key: str | SecretStr, *, region: str = "us", events_url: str = ""
) -> Account:
    """A checked account.

    Args:
        service: the name that rules use.
        routing_key: blanks and line ends around it are dropped, as files have them.
        region: ``us`` or ``eu``.
        events_url: base URL instead of the region's; a full endpoint URL is cut back to its base.

    Raises:
        Problem: MISSING_SECRET for a blank key, INVALID_VALUE for one of another shape or an
            unknown region. The key itself is never part of the message.
    """
    plain = routing_key.get_secret_value() if isinstance(routing_key, SecretStr) else routing_key
    key = plain.strip().lstrip("\ufeff")
    _check_shape(key, service)
    base = events_url.strip().rstrip("/")
    for path in PATHS.values():
        base = base.removesuffix(path)
    if not base and region not in HOSTS:
        raise Problem(
            Reason.INVALID_VALUE,
            f"no service region is called {excerpt(region, 30)}",
            where=f"services.{service}",
            hint=f"known are {', '.join(HOSTS)}",
        )
    return Account(service=service, routing_key=SecretStr(key), events_url=base or HOSTS[region])


def _check_shape(key: str, service: str) -> None:
    where = f"services.{service}"
    if not key:
        raise Problem(
            Reason.MISSING_SECRET,
            "the routing key is empty",
            where=where,
            hint="PagerDuty shows it as Integration Key of an Events API v2 integration",
        )
    faults = []
    if len(key) != ROUTING_KEY_CHARACTERS:
        faults.append(f"has {len(key)} characters instead of {ROUTING_KEY_CHARACTERS}")
    if not (key.isascii() and key.isalnum()):
        faults.append("has other characters than letters and digits")
    if faults:
        raise Problem(
            Reason.INVALID_VALUE,
            f"the routing key {' and '.join(faults)}",
            where=where,
            hint="it is the Integration Key of an Events API v2 integration, not a REST API key",
        )


class Accounts(Mapping[str, Account]):
    """The configured accounts by service name."""

    __slots__ = ("_accounts",)

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = {account.service: account for account in accounts}

    def __getitem__(self, service: str) -> Account:
        return self._accounts[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def __len__(self) -> int:
        return len(self._accounts)

    def __repr__(self) -> str:
        return f"Accounts({', '.join(self._accounts)})"

    def of(self, service: str) -> Account:
        """The account of a service.

        Raises:
            Problem: UNKNOWN_SERVICE, with the nearest spelling.
        """
        found = self._accounts.get(service)
        if found is not None:
            return found
        near = get_close_matches(service, self._accounts, 1)
        known = ", ".join(sorted(self._accounts)) or "none"
        raise Problem(
            Reason.UNKNOWN_SERVICE,
            f"no service is called {excerpt(service, 60)}",
            where="service",
            hint=f"did you mean {near[0]}?" if near else f"known are {known}",
        )
