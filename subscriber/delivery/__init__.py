"""How what must be said gets said: in order, once, and with an end that has a name.

`deliver` is the conversation (a generator of effects), `settle` turns outcomes into an answer to
NATS, `Lanes` orders what one process has in hand, `Allowance` rations the calls of a service,
`dead_letter_headers` says why something could not be delivered, `replay_headers` and `origin_of`
let it come back to its old place in the order, `resolve_by_hand` is a person's word. All of it is
pure; the guarantees and their proof are in docs/delivery.md.
"""

from subscriber.delivery.backlog import Backlog
from subscriber.delivery.byhand import distrusted, resolve_by_hand
from subscriber.delivery.deadletter import headers as dead_letter_headers
from subscriber.delivery.entry import key_of, needs_mending
from subscriber.delivery.flow import deliver, mend
from subscriber.delivery.lanes import Lanes
from subscriber.delivery.policy import OnStale, Policy
from subscriber.delivery.rate import Allowance
from subscriber.delivery.replay import origin_of, replay_headers
from subscriber.delivery.run import Flow
from subscriber.delivery.settle import SETTLEMENT_OF, Settlement, SettlementKind, settle

__all__ = [
    "SETTLEMENT_OF",
    "Allowance",
    "Backlog",
    "Flow",
    "Lanes",
    "OnStale",
    "Policy",
    "Settlement",
    "SettlementKind",
    "dead_letter_headers",
    "deliver",
    "distrusted",
    "key_of",
    "mend",
    "needs_mending",
    "origin_of",
    "replay_headers",
    "resolve_by_hand",
    "settle",
]
