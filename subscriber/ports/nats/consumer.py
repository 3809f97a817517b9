"""The durable consumer that all replicas share.

Rules: an existing consumer is brought to our options where JetStream allows that; where it does not
(a push consumer, other acknowledgements) it is a `Problem` that says so. Where a consumer begins is
asked for only when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from subscriber.model import Problem, Reason
from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.options import ConsumerOptions, FirstStart
from subscriber.ports.nats.provision import STREAM_NOT_FOUND, Binding, nanoseconds
from subscriber.ports.subjects import require_name

CONSUMER_NOT_FOUND = 10014
_CONSUMER_EXISTS = 10148
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """What JetStream says about our consumer.

    Attributes:
        created: when, nanoseconds since 1970; made again, it is another consumer.
        ack_floor: stream sequence up to which every message is settled.
        waiting: messages not delivered yet.
        out: messages delivered and not settled, at any replica.
    """

    created: int
    ack_floor: int
    waiting: int
    out: int


async def consumer_info(
    connection: NatsConnection, stream: str, durable: str
) -> dict[str, Any] | None:
    """JetStream's description of a consumer, None when it or its stream is gone."""
    try:
        return await connection.api(f"CONSUMER.INFO.{stream}.{durable}")
    except ApiError as error:
        if error.err_code in (CONSUMER_NOT_FOUND, STREAM_NOT_FOUND):
            return None
        raise


def start_at(first_start: FirstStart) -> dict[str, object]:
    """The deliver policy of a consumer that never ran."""
    return {"deliver_policy": first_start.value}


def resume_after(sequence: int) -> dict[str, object]:
    """The deliver policy of a consumer made again, everything up to `sequence` being settled."""
    return {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence + 1}


async def ensure_consumer(
    connection: NatsConnection,
    binding: Binding,
    options: ConsumerOptions,
    start: Mapping[str, object],
) -> Consumer:
    """Our durable consumer on a stream: as it should be, updated or created.

    Raises:
        Problem: one of that name exists and is not for us, or JetStream refuses it.
        PortUnavailable: NATS went away.
    """
    require_name(options.durable, "consumer")
    path = f"{binding.stream}.{options.durable}"
    for attempt in (1, 2):  # another replica may do the same at the same time
        try:
            info = await consumer_info(connection, binding.stream, options.durable)
            wanted = _consumer_config(binding, options)
            if info is None:
                body = {**wanted, **start}
                action = "create"
            elif _differs(info["config"], wanted):
                body = {**info["config"], **wanted}
                action = "update"
            else:
                return consumer_state(info)
            if info is not None:
                _check_kind(info["config"], path)
                dropped = "filter_subject" if "filter_subjects" in wanted else "filter_subjects"
                body.pop(dropped, None)
                body.pop("backoff", None)  # it would replace ack_wait
            info = await connection.api(
                f"CONSUMER.CREATE.{path}",
                {"stream_name": binding.stream, "config": body, "action": action},
            )
            return consumer_state(info)
        except ApiError as error:
            if attempt == 1 and error.err_code in (_CONSUMER_EXISTS, CONSUMER_NOT_FOUND):
                continue
            if error.temporary:
                raise
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"the consumer cannot be used: {error}",
                where=path,
                hint="give another `durable` name, or delete the consumer",
            ) from error
    raise AssertionError("unreachable")


def consumer_state(info: Mapping[str, Any]) -> Consumer:
    """The part of a consumer's description that we use."""
    return Consumer(
        created=nanoseconds(info["created"]),
        ack_floor=int((info.get("ack_floor") or {}).get("stream_seq", 0)),
        waiting=int(info.get("num_pending", 0)),
        out=int(info.get("num_ack_pending", 0)),
    )


def _consumer_config(binding: Binding, options: ConsumerOptions) -> dict[str, object]:
    filters: dict[str, object] = (
        {"filter_subject": binding.filters[0]}
        if len(binding.filters) == 1
        else {"filter_subjects": list(binding.filters)}
    )
    return {
        "name": options.durable,
        "durable_name": options.durable,
        "description": "pagerduty-subscriber, all replicas",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "ack_wait": int(options.ack_wait * _SECOND),
        "max_deliver": -1,
        "max_ack_pending": options.max_ack_pending,
        **filters,
    }


def _differs(config: Mapping[str, Any], wanted: Mapping[str, object]) -> bool:
    return _normal(config, wanted) != _normal(wanted, wanted)


def _normal(config: Mapping[str, Any], keys: Mapping[str, object]) -> dict[str, object]:
    filters = config.get("filter_subjects") or [config.get("filter_subject") or ""]
    values = {key: config.get(key) for key in keys if not key.startswith("filter_")}
    return {
        **values,
        "filters": sorted(filters),
        "push": config.get("deliver_subject", ""),
        "backoff": config.get("backoff") or [],
    }


def _check_kind(config: Mapping[str, Any], path: str) -> None:
    if config.get("deliver_subject"):
        kind = "a push consumer"
    elif config.get("ack_policy") != "explicit":
        kind = f"a consumer with ack policy {config.get('ack_policy')}"
    else:
        return
    raise Problem(
        Reason.STREAM_CONFLICT,
        f"there is {kind} of this name; we need a pull consumer with explicit acks",
        where=path,
        hint="give another `durable` name, or delete that consumer",
    )
