"""Finding or making what we read from: streams, and the durable consumer that replicas share.

Rules:
- A stream that already holds a subject is bound as it is; we never change a stream of somebody
  else. Only subjects that no stream holds get a stream of ours (marked in its metadata).
- Several streams may hold some of the subjects each: every one becomes a binding.
- An existing consumer is brought to our options where JetStream allows that; where it does not
  (a push consumer, other acknowledgements) it is a `Problem` that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from subscriber.model import Problem, Reason, excerpt
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.options import ConsumerOptions, FirstStart, StreamOptions
from subscriber.ports.subjects import overlaps, reduce, require_name, valid

STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014
_NAME_IN_USE = 10058
_SUBJECTS_OVERLAP = 10065
_CONSUMER_EXISTS = 10148
_NO_JETSTREAM = {10039, 10076}

OURS = {"created-by": "pagerduty-subscriber"}
_INTERNAL = ("KV_", "OBJ_")
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A stream that we read.

    Attributes:
        stream: its name.
        epoch: when it was created, nanoseconds since 1970.
        filters: which of the wanted subjects to read from it.
        direct: whether single messages may be read from any replica.
        ours: whether a subscriber created it (and may create it again).
        fresh: whether it was created just now.
    """

    stream: str
    epoch: int
    filters: tuple[str, ...]
    direct: bool = False
    ours: bool = False
    fresh: bool = False


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


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of a JetStream time (RFC 3339, up to nine digits of fraction)."""
    head, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{head}+00:00")
    return int(whole.timestamp()) * _SECOND + int((fraction or "0").ljust(9, "0")[:9])


async def require_jetstream(connection: NatsConnection) -> None:
    """Return when JetStream answers; it may take a moment after a server's start.

    Raises:
        Problem: it is not enabled, or does not answer within the start-up time limit.
    """
    hint = "start nats-server with --jetstream, or set `mode: core`"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + connection.options.startup_timeout
    while True:
        try:
            await connection.api("INFO")
            return
        except ApiError as error:
            if error.err_code in _NO_JETSTREAM:
                raise Problem(
                    Reason.UNREACHABLE, str(error), where=connection.where, hint=hint
                ) from error
            last: Exception = error
        except PortUnavailable as error:
            last = error
        if loop.time() > deadline or not connection.offers_jetstream:
            raise Problem(
                Reason.UNREACHABLE,
                f"NATS has no JetStream for us: {last}",
                where=connection.where,
                hint=hint,
            ) from last
        await asyncio.sleep(0.25)


# -- streams ----------------------------------------------------------------------------------


async def stream_info(connection: NatsConnection, name: str) -> dict[str, Any] | None:
    """JetStream's description of a stream, None when there is none."""
    try:
        return await connection.api(f"STREAM.INFO.{name}")
    except ApiError as error:
        if error.err_code == STREAM_NOT_FOUND:
            return None
        raise


async def bind_streams(
    connection: NatsConnection, options: StreamOptions, *, without: Collection[str] = ()
) -> tuple[Binding, ...]:
    """The streams that hold the wanted subjects, ours created where nobody holds them.

    Args:
        connection: where to look.
        options: what is wanted.
        without: streams never to bind (the dead letters).

    Raises:
        Problem: a named stream that does not hold the subjects, a stream that cannot be created.
        PortUnavailable: NATS went away.
    """
    wanted = _wanted(options)
    for attempt in (1, 2):  # another replica may create the same stream at the same time
        try:
            if options.stream:
                return (await _bind_named(connection, options, wanted),)
            return await _bind_found(connection, options, wanted, without)
        except ApiError as error:
            if attempt == 1 and error.err_code in (_NAME_IN_USE, _SUBJECTS_OVERLAP):
                continue
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"the stream cannot be used: {error}",
                where=options.stream or options.create_as or connection.where,
                hint="name an existing stream, or change the subjects or the stream's options",
            ) from error
    raise AssertionError("unreachable")


def _wanted(options: StreamOptions) -> tuple[str, ...]:
    for subject in options.subjects:
        if not valid(subject):
            raise Problem(
                Reason.INVALID_VALUE,
                f"{excerpt(subject)} is not a NATS subject",
                hint="tokens between dots, `*` for one token, a final `>` for the rest",
            )
    for name in (options.stream, options.create_as):
        if name:
            require_name(name, "stream")
    if not options.subjects:
        raise Problem(Reason.INVALID_VALUE, "no subject to listen on is given")
    return reduce(options.subjects)


async def _bind_named(
    connection: NatsConnection, options: StreamOptions, wanted: Sequence[str]
) -> Binding:
    info = await stream_info(connection, options.stream)
    if info is None:
        info = await _create(connection, options, options.stream, wanted)
    config = info["config"]
    held = config.get("subjects") or []
    missing = [one for one in wanted if not any(overlaps(one, subject) for subject in held)]
    if missing and not (config.get("mirror") or config.get("sources")):
        raise Problem(
            Reason.STREAM_CONFLICT,
            f"the stream does not hold {', '.join(missing)}, it holds {', '.join(held)}",
            where=options.stream,
            hint="change the subjects, or leave out the stream's name to let it be found",
        )
    return binding_of(info, wanted)


async def _bind_found(
    connection: NatsConnection,
    options: StreamOptions,
    wanted: Sequence[str],
    without: Collection[str],
) -> tuple[Binding, ...]:
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for subject in wanted:
        answer = await connection.api("STREAM.NAMES", {"subject": subject})
        names = [
            name
            for name in answer.get("streams") or ()
            if not name.startswith(_INTERNAL) and name not in without
        ]
        for name in names:
            info = found.get(name) or await stream_info(connection, name)
            if info is not None:
                found[name] = info
        if not names:
            missing.append(subject)
    if missing:
        if not options.create_as:
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"no stream holds {', '.join(missing)}",
                where=connection.where,
                hint="create it, or let us create one by giving `create_as`",
            )
        info = await _create_or_extend(connection, options, missing)
        found[options.create_as] = info
    return tuple(
        binding_of(info, [one for one in wanted if _touches(info, one)]) for info in found.values()
    )


def _touches(info: Mapping[str, Any], subject: str) -> bool:
    return any(overlaps(subject, held) for held in info["config"].get("subjects") or ())


def _is_ours(config: Mapping[str, Any]) -> bool:
    return (config.get("metadata") or {}).get("created-by") == OURS["created-by"]


def binding_of(info: Mapping[str, Any], filters: Sequence[str]) -> Binding:
    """A stream's description as a binding with these filters."""
    return Binding(
        stream=info["config"]["name"],
        epoch=nanoseconds(info["created"]),
        filters=tuple(filters),
        direct=bool(info["config"].get("allow_direct")),
        ours=_is_ours(info["config"]),
        fresh=bool(info.get("did_create")),
    )


async def _create_or_extend(
    connection: NatsConnection, options: StreamOptions, subjects: Sequence[str]
) -> dict[str, Any]:
    info = await stream_info(connection, options.create_as)
    if info is None:
        return await _create(connection, options, options.create_as, subjects)
    config = info["config"]
    if not _is_ours(config):
        raise Problem(
            Reason.STREAM_CONFLICT,
            f"no stream holds {', '.join(subjects)}, and the stream that we would create exists",
            where=options.create_as,
            hint="add the subjects to that stream, or give another `create_as`",
        )
    held = config.get("subjects") or []
    changed = {**config, "subjects": list(reduce([*held, *subjects]))}
    return await connection.api(f"STREAM.UPDATE.{options.create_as}", changed)


async def _create(
    connection: NatsConnection, options: StreamOptions, name: str, subjects: Sequence[str]
) -> dict[str, Any]:
    config = {
        "name": name,
        "description": "Events for pagerduty-subscriber",
        "subjects": list(subjects),
        "retention": "limits",
        "discard": "old",
        "storage": options.storage.value,
        "num_replicas": options.replicas,
        "max_age": int(options.max_age * _SECOND),
        "max_bytes": options.max_bytes,
        "max_msgs": -1,
        "max_consumers": -1,
        "duplicate_window": int(
            min(options.duplicate_window, options.max_age or options.duplicate_window) * _SECOND
        ),
        "allow_direct": True,
        "metadata": OURS,
    }
    return await connection.api(f"STREAM.CREATE.{name}", config)


async def ensure_stream(connection: NatsConnection, config: Mapping[str, object]) -> dict[str, Any]:
    """A stream of our own (ledger, dead letters) by its name: as it is, else created so.

    Raises:
        Problem: JetStream refuses it.
        PortUnavailable: NATS went away.
    """
    name = str(config["name"])
    for attempt in (1, 2):
        try:
            info = await stream_info(connection, name)
            return info or await connection.api(f"STREAM.CREATE.{name}", config)
        except ApiError as error:
            if attempt == 1 and error.err_code == _NAME_IN_USE:
                continue
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"the stream cannot be created: {error}",
                where=name,
                hint="check the replicas, the limits of the account, and overlapping subjects",
            ) from error
    raise AssertionError("unreachable")


# -- the consumer -----------------------------------------------------------------------------


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
