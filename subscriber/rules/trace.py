"""What a rule made of an event.

Rules: a trace is complete; it names its reason, whatever the rule made of the event.
"""

from __future__ import annotations

from dataclasses import field

from subscriber.model import Intent, Problem, Reason
from subscriber.model.record import record


@record(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one rule made of one event, to the end.

    Attributes:
        rule: name of the rule.
        reason: MATCHED when there is an intent from the rule itself; otherwise why not.
        detail: one sentence, down to the value that decided.
        intent: what is to be said; with a `problem` beside it, the fallback page.
        problem: what failed, None when nothing did.
    """

    rule: str
    reason: Reason
    detail: str = ""
    intent: Intent | None = None
    problem: Problem | None = field(default=None, compare=False)
