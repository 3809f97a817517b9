"""The book: what may change while the service runs, in one value that is swapped whole.

Rules: a message is read, rendered and said by one book from beginning to end; the next one may go
by another. Windows of the rate limit survive a swap for services whose limit stayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from subscriber.delivery import Allowance
from subscriber.pagerduty import Accounts
from subscriber.rules import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Rules, services and what each service may spend.

    Attributes:
        rules: compiled.
        accounts: services and their routing keys.
        allowances: calls per service; a service without one is not limited by us.
    """

    rules: RuleSet
    accounts: Accounts
    allowances: Mapping[str, Allowance] = field(default_factory=dict)


def succeeding(old: Book, new: Book) -> Book:
    """The new book, with the spent allowance of every service whose limit stayed."""
    kept = {
        service: old.allowances[service]
        if service in old.allowances and old.allowances[service].limit == allowance.limit
        else allowance
        for service, allowance in new.allowances.items()
    }
    return Book(rules=new.rules, accounts=new.accounts, allowances=kept)
