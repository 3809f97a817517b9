"""The vitals: which gauges are read from which part of the machine.

Rules: reading is looking at memory, never at the network, however often somebody asks; what only a
server knows is as of when it last told.
"""

from __future__ import annotations

from subscriber.ports.interfaces import Clock, Source
from subscriber.service.courier import Courier
from subscriber.service.meters import Meters, Values
from subscriber.service.pump import Pump


def read_vitals(
    meters: Meters, *, source: Source, pump: Pump, courier: Courier, clock: Clock
) -> None:
    """Have the gauges read from these parts."""

    def tokens() -> Values:
        now = clock.now()
        allowances = courier.book.allowances
        return {(one,): allowance.left(one, now) for one, allowance in allowances.items()}

    def maximum() -> Values:
        return {(one,): allowance.limit for one, allowance in courier.book.allowances.items()}

    def throttled() -> Values:
        now = clock.now()
        allowances = courier.book.allowances
        return {(one,): allowance.closed_for(one, now) for one, allowance in allowances.items()}

    meters.read("rate_limit_tokens", tokens)
    meters.read("rate_limit_tokens_maximum", maximum)
    meters.read("throttled_seconds", throttled)
    meters.read("messages_in_hand", lambda: {(): pump.in_hand})
    meters.read("oldest_message_in_hand_seconds", lambda: {(): pump.oldest(clock.now())})
    meters.read(
        "consumer_pending_messages", lambda: {(lag.stream,): lag.waiting for lag in source.lag()}
    )
    meters.read(
        "consumer_unacknowledged_messages", lambda: {(lag.stream,): lag.out for lag in source.lag()}
    )
    meters.read(
        "consumer_info_timestamp_seconds",
        lambda: {(lag.stream,): lag.seen_at for lag in source.lag()},
    )
