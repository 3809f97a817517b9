"""An independent PagerDuty stand-in: Events API v2 and change events, with faults on demand.

It is a second witness: written from PagerDuty's documentation, it shares no code, limit or type
with the part of this project that talks to PagerDuty. `running` embeds it; `StandIn` is the state
machine without sockets.
"""

from subscriber.simulator.faults import Fault, FaultKind, fault_from, parse_fault
from subscriber.simulator.journal import Api, Call, Change, Effect
from subscriber.simulator.ledger import Alert, Status
from subscriber.simulator.serve import Simulator, Tls, running
from subscriber.simulator.settings import SimulatorConfig
from subscriber.simulator.stand_in import StandIn

__all__ = [
    "Alert",
    "Api",
    "Call",
    "Change",
    "Effect",
    "Fault",
    "FaultKind",
    "Simulator",
    "SimulatorConfig",
    "StandIn",
    "Status",
    "Tls",
    "fault_from",
    "parse_fault",
    "running",
]
