"""Looking at streams without touching them: for the commands that only read.

Rules: nothing is created, changed or bound here; what is not there is simply not found.
"""

from __future__ import annotations

from collections.abc import Collection

from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.connect import ApiError, NatsConnection
from subscriber.ports.nats.options import StreamOptions
from subscriber.ports.nats.provision import Binding, binding_of, stream_info


async def standing(
    connection: NatsConnection, options: StreamOptions, *, without: Collection[str] = ()
) -> tuple[Binding, ...]:
    """The streams that hold some of the wanted subjects now; see `provision.bind_streams`."""
    found: dict[str, Binding] = {}
    for subject in options.subjects:
        for name in await _names(connection, options, subject):
            if name in found or name in without or name.startswith(("KV_", "OBJ_")):
                continue
            binding = await stream(connection, name)
            if binding is not None:
                found[name] = binding
    return tuple(found.values())


async def stream(connection: NatsConnection, name: str) -> Binding | None:
    """One stream by its name, None when there is none."""
    try:
        info = await stream_info(connection, name)
    except ApiError as error:
        raise PortUnavailable(str(error)) from error
    return None if info is None else binding_of(info, ())


async def _names(connection: NatsConnection, options: StreamOptions, subject: str) -> list[str]:
    if options.stream:
        return [options.stream]
    try:
        answer = await connection.api("STREAM.NAMES", {"subject": subject})
    except ApiError as error:
        raise PortUnavailable(str(error)) from error
    return list(answer.get("streams") or ())
