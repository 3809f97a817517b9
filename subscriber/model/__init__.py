"""The nouns everything else is said in: frozen, slotted, keyword-only; standard library only."""

from subscriber.model.alert import Alert, AlertKey, AlertState, Claim
from subscriber.model.envelope import Envelope
from subscriber.model.event import Event, Json
from subscriber.model.intent import Action, Intent, Position
from subscriber.model.outcome import Outcome, OutcomeKind
from subscriber.model.problem import Problem, excerpt
from subscriber.model.reason import Reason

__all__ = [
    "Action",
    "Alert",
    "AlertKey",
    "AlertState",
    "Claim",
    "Envelope",
    "Event",
    "Intent",
    "Json",
    "Outcome",
    "OutcomeKind",
    "Position",
    "Problem",
    "Reason",
    "excerpt",
]
