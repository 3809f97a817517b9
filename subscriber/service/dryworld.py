"""A dry world: PagerDuty accepts everything and hears nothing, every call is granted.

Rules: answers the conversations of `delivery.deliver` from a table of ledger entries, which they
also write to; the time stands still while one is held. Nothing is ever lost here, so nothing has to
be waited for or recalled.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from subscriber.delivery import Policy, deliver
from subscriber.model import (
    Alert,
    AlertKey,
    AlertState,
    Effect,
    Intent,
    Load,
    Now,
    Outcome,
    Permit,
    Reason,
    Save,
    Send,
    Verdict,
    VerdictKind,
)

_ACCEPTED = Verdict(kind=VerdictKind.ACCEPTED, reason=Reason.ACCEPTED)


@dataclass(slots=True)
class Known:
    """What is known of a key.

    Attributes:
        alert, revision: the ledger's entry.
        pages: how often it was opened.
        opened_at: when it was opened last, seconds since 1970.
        rule: which rule spoke of it last.
    """

    alert: Alert
    revision: int = 0
    pages: int = 0
    opened_at: float = 0.0
    rule: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody would still be waiting for its end."""
        return self.alert.state in (AlertState.OPEN, AlertState.ACKNOWLEDGED)


class DryWorld:
    """Holds one conversation.

    Attributes:
        table: what is known of each key, the one touched last at the end.
        now: seconds since 1970.
        told: what PagerDuty would have heard, in order.
        known: the entry that was written, None when none was.
    """

    __slots__ = ("known", "now", "table", "told")

    def __init__(self, table: OrderedDict[AlertKey, Known], now: float) -> None:
        self.table = table
        self.now = now
        self.told: list[Intent] = []
        self.known: Known | None = None

    def load(self, key: AlertKey) -> tuple[Alert, int]:
        """The entry of a key and its revision."""
        known = self.table.get(key)
        return (Alert(key=key), 0) if known is None else (known.alert, known.revision)

    def converse(self, intent: Intent, policy: Policy, *, owner: str) -> Outcome:
        """What would become of an intent."""
        conversation = deliver(intent, policy=policy, owner=owner, received_at=self.now)
        try:
            effect = next(conversation)
            while True:
                effect = conversation.send(self._answer(effect))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def _answer(self, effect: Effect) -> object:
        match effect:
            case Now():
                return self.now
            case Load(key=key):
                return self.load(key)
            case Save(alert=alert, revision=revision):
                known = self.table.get(alert.key)
                if known is None:
                    known = self.table[alert.key] = Known(alert)
                else:
                    self.table.move_to_end(alert.key)
                known.alert, known.revision = alert, revision + 1
                self.known = known
                return revision + 1
            case Permit():
                return 0.0
            case Send(intent=intent):
                self.told.append(intent)
                return _ACCEPTED
            case _:
                return None
