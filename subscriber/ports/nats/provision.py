"""Finding or making the streams that we read, and those that are ours alone.

Rules:
- A stream that already holds a subject is bound as it is; we never change a stream of somebody
  else. Only subjects that no stream holds get a stream of ours (marked in its metadata).
- Several streams may hold some of the subjects each: every one becomes a binding.
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
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.subjects import overlaps, reduce, require_name, valid

STREAM_NOT_FOUND = 10059
_NAME_IN_USE = 10058
_SUBJECTS_OVERLAP = 10065
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
            if error.temporary:
                raise
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
        Problem: there is no JetStream, or it refuses the stream.
        PortUnavailable: NATS went away.
    """
    await require_jetstream(connection)
    name = str(config["name"])
    for attempt in (1, 2):
        try:
            info = await stream_info(connection, name)
            return info or await connection.api(f"STREAM.CREATE.{name}", config)
        except ApiError as error:
            if attempt == 1 and error.err_code == _NAME_IN_USE:
                continue
            if error.temporary:
                raise
            raise Problem(
                Reason.STREAM_CONFLICT,
                f"the stream cannot be created: {error}",
                where=name,
                hint="check the replicas, the limits of the account, and overlapping subjects",
            ) from error
    raise AssertionError("unreachable")
