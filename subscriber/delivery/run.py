"""One run of a conversation: what it knows and counts, how it ends, and how it asks.

Rules: the only mutable thing of the delivery core; it lives as long as its generator. What is
yielded is an effect, and what comes back is of the type that `model.effect` says.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from subscriber.delivery.backoff import asked_for, backoff
from subscriber.delivery.policy import Policy
from subscriber.model import (
    Action,
    Effect,
    Intent,
    Now,
    Outcome,
    OutcomeKind,
    Permit,
    Reason,
    Verdict,
)

T = TypeVar("T")
Flow: TypeAlias = Generator[Effect, Any, T]
NOW = Now()


@dataclass(slots=True)
class Run:
    """What one conversation knows and counts; it ends with it.

    Attributes that need a word:
        settled: the intent needs no more than its state said once more.
        outspoken: we sent without a claim. Another delivery of our message may have ended it
            since, so the repair is ours to do now, with the message in hand, and not after a
            redelivery that may never come.
        recalls: no message is in hand, its event must be read back.
        permitted: a call was granted and has not been made yet.
        quick_tries: how many of the policy's quick retries this run has had.
    """

    intent: Intent
    policy: Policy
    owner: str
    received_at: float
    delivery_count: int
    attempts: int = 0
    last: Verdict | None = None
    settled: bool = False
    outspoken: bool = False
    recalls: bool = False
    permitted: bool = False
    quick_tries: int = 0

    def end(self, kind: OutcomeKind, reason: Reason, message: str = "") -> Outcome:
        """A final outcome."""
        last = self.last
        return Outcome(
            kind=kind,
            reason=reason,
            intent=self.intent,
            message=message or (last.message if last is not None else ""),
            status=last.status if last is not None else 0,
            attempts=self.attempts,
            errors=last.errors if last is not None else (),
        )

    def put_off(
        self, now: float, reason: Reason, message: str = "", *, delay: float | None = None
    ) -> Outcome:
        """Come back later, or, when the message is too old for that and unsettled, give up."""
        if self.is_expired(now):
            age = int(now - self.received_at)
            text = f"given up after {age} s, at last because: {reason.value}"
            return self.end(OutcomeKind.DEAD_LETTERED, Reason.EXPIRED, text)
        outcome = self.end(OutcomeKind.DEFERRED, reason, message)
        return replace(outcome, delay=self.backoff(now) if delay is None else delay)

    def is_expired(self, now: float) -> bool:
        """Whether a failure now is the last one; what is settled already never expires."""
        return not self.settled and now - self.received_at > self.policy.max_age

    def backoff(self, now: float) -> float:
        """Seconds until the next delivery after a failure.

        No longer than the message is old: deliveries that only met a busy key count too, and the
        first failure after some of those must not cost minutes. For failures alone that is no
        limit, since each delay is about as long as all before it together.
        """
        policy = self.policy
        return backoff(
            seed=self.intent.event_id,
            attempt=self.delivery_count,
            first=policy.first_delay,
            ceiling=min(policy.longest_delay, max(policy.first_delay, now - self.received_at)),
        )

    def next_quick(self) -> float | None:
        """Seconds before the next try with the message in hand; None when there were enough."""
        left = self.policy.quick_retries[self.quick_tries :]
        return left[0] if left else None

    def as_asked(self, seconds: float) -> float:
        """A delay that the other side named."""
        return asked_for(
            seconds,
            seed=self.intent.event_id,
            attempt=self.delivery_count,
            ceiling=self.policy.longest_retry_after,
        )

    def is_stale(self, at: float) -> bool:
        """Whether the trigger was too old at that time to be sent as it is."""
        limit = self.policy.stale_after
        if limit is None or self.intent.action is not Action.TRIGGER:
            return False
        return at - (self.intent.occurred_at or self.received_at) > limit


def ask_permit(run: Run, content: Intent) -> Flow[float]:
    """0.0 when a call is granted, else seconds until it is worth asking again.

    What was granted and not spent, because a claim was lost, still holds.
    """
    if run.permitted:
        return 0.0
    urgent = content.action is Action.TRIGGER
    answer = yield Permit(service=run.intent.service, urgent=urgent)
    assert isinstance(answer, (int, float))
    run.permitted = answer <= 0
    return float(answer)
