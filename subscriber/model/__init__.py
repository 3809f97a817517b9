"""The nouns everything else is said in: frozen, slotted, keyword-only; standard library only."""

from subscriber.model.alert import Alert, AlertKey, AlertState, Claim, Doubt, Waiting
from subscriber.model.arrival import Arrival
from subscriber.model.effect import (
    Effect,
    Load,
    Now,
    Pause,
    Permit,
    Recall,
    Save,
    Send,
    Verdict,
    VerdictKind,
)
from subscriber.model.envelope import Envelope
from subscriber.model.event import Event, Json
from subscriber.model.intent import FIRST, Action, Intent, Position
from subscriber.model.order import Order
from subscriber.model.outcome import Outcome, OutcomeKind
from subscriber.model.problem import Problem, excerpt
from subscriber.model.reason import Reason

__all__ = [
    "FIRST",
    "Action",
    "Alert",
    "AlertKey",
    "AlertState",
    "Arrival",
    "Claim",
    "Doubt",
    "Effect",
    "Envelope",
    "Event",
    "Intent",
    "Json",
    "Load",
    "Now",
    "Order",
    "Outcome",
    "OutcomeKind",
    "Pause",
    "Permit",
    "Position",
    "Problem",
    "Reason",
    "Recall",
    "Save",
    "Send",
    "Verdict",
    "VerdictKind",
    "Waiting",
    "excerpt",
]
