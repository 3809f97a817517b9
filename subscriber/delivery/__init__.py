"""How what must be said gets said: in order, once, and with an end that has a name.

`deliver` is the conversation (a generator of effects), `settle` turns outcomes into an answer to
NATS, `Lanes` orders what one process has in hand, `Allowance` rations the calls of a service,
`dead_letter_headers` says why something could not be delivered. All of it is pure; the guarantees
and their proof are in docs/delivery.md.
"""

from subscriber.delivery.deadletter import headers as dead_letter_headers
from subscriber.delivery.entry import key_of, needs_mending
from subscriber.delivery.flow import Flow, deliver, mend
from subscriber.delivery.lanes import Lanes
from subscriber.delivery.policy import OnStale, Policy
from subscriber.delivery.rate import Allowance
from subscriber.delivery.settle import Settlement, SettlementKind, settle

__all__ = [
    "Allowance",
    "Flow",
    "Lanes",
    "OnStale",
    "Policy",
    "Settlement",
    "SettlementKind",
    "dead_letter_headers",
    "deliver",
    "key_of",
    "mend",
    "needs_mending",
    "settle",
]
