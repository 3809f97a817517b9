"""What can be chosen about NATS: plain values with their defaults; nothing here opens anything.

Times are seconds. Secrets are excluded from every repr.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsOptions:
    """How to reach a NATS server and who we are.

    Attributes:
        servers: URLs, ``nats://``, ``tls://``, ``ws://`` or ``wss://``; any of them will do.
        name: connection name shown by NATS monitoring.
        credentials_file: a ``.creds`` file (JWT and seed).
        nkey_seed_file: a file with an nkey seed.
        user, password, token: the other ways to authenticate.
        tls_ca_file, tls_cert_file, tls_key_file: PEM files; with a certificate it is mutual TLS.
        tls_hostname: name to verify instead of the URL's host.
        tls: encrypt also when nothing else here says so.
        tls_insecure: do not verify the server's certificate (never outside a laboratory).
        connect_timeout: limit of one connection attempt.
        startup_timeout: how long an absent server is waited for at start before we give up.
        reconnect_wait, reconnect_max_wait: first and longest pause between attempts; each pause is
            stretched by a random half so that replicas do not come back in step.
        ping_interval: how often an idle connection is checked; two missed answers end it.
        request_timeout: limit of one request to JetStream.
        pending_bytes: how much may wait for the socket while the server is away.
    """

    servers: tuple[str, ...] = field(default=("nats://127.0.0.1:4222",), repr=False)
    name: str = "pagerduty-subscriber"
    credentials_file: str = ""
    nkey_seed_file: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    tls_hostname: str = ""
    tls: bool = False
    tls_insecure: bool = False
    connect_timeout: float = 5.0
    startup_timeout: float = 30.0
    reconnect_wait: float = 0.25
    reconnect_max_wait: float = 5.0
    ping_interval: float = 10.0
    request_timeout: float = 5.0
    pending_bytes: int = 8 * 1024 * 1024

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts in here that nobody may see; those inside of files are not read here."""
        found = [self.password, self.token]
        for server in self.servers:
            credentials = server.partition("://")[2].rpartition("@")[0]
            name, colon, password = credentials.partition(":")
            found.append(password if colon else name)  # without a colon it is a token
        return tuple(form for text in found if text for form in {text, unquote(text)})

    @property
    def wants_tls(self) -> bool:
        """Whether anything here says that the connection must be encrypted."""
        return bool(
            self.tls
            or self.tls_ca_file
            or self.tls_cert_file
            or self.tls_hostname
            or any(server.startswith(("tls://", "wss://")) for server in self.servers)
        )


class ConnectionState(StrEnum):
    """What a listener is told; the value is the log event and the metric label."""

    CONNECTED = "nats-connected"
    DISCONNECTED = "nats-disconnected"
    RECONNECTED = "nats-reconnected"
    CLOSED = "nats-closed"
    ERROR = "nats-error"


ConnectionListener = Callable[[ConnectionState, str], None]
"""Called on the event loop with a state and one sentence without secrets; must not raise."""


class FirstStart(StrEnum):
    """Where a consumer begins that has never run before (later starts go on where it stopped)."""

    NEW = "new"
    ALL = "all"


class StorageKind(StrEnum):
    """Where JetStream keeps a stream that we create."""

    FILE = "file"
    MEMORY = "memory"


DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The stream to read, and how to make it when nobody has.

    Attributes:
        subjects: what we want to hear; patterns.
        stream: bind this stream only; empty: whichever streams hold the subjects.
        create_as: name of the stream that we create for subjects no stream holds; empty: never
            create one.
        storage, replicas, max_age, max_bytes, duplicate_window: of a stream that we create
            (`max_bytes` -1 is without limit); an existing stream is never changed.
    """

    subjects: tuple[str, ...]
    stream: str = ""
    create_as: str = "PAGERDUTY_EVENTS"
    storage: StorageKind = StorageKind.FILE
    replicas: int = 1
    max_age: float = 7 * DAY
    max_bytes: int = -1
    duplicate_window: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """The durable pull consumer that all replicas share.

    Attributes:
        durable: its name.
        ack_wait: a message neither ended nor reported in progress for so long is redelivered.
        max_ack_pending: messages out at all replicas together; -1 is without limit, and right:
            what we hold is bounded by our capacity, but JetStream counts messages that wait for
            their nak's delay too, so with a limit one service in trouble would stop all others.
        first_start: where a consumer begins that never ran. ``new``: an installation on a stream
            with a week of history must not page for last week's failures at 3 a.m.
        heartbeat: how often an idle server reassures us; twice that without a frame is a stall.
        pull_expires: life time of one pull request; at least two heartbeats.
        max_batch: messages asked for in one pull request.
        confirm_acks: wait for the server to confirm each ack. Off by default: it costs a round trip
            per message, and what an unconfirmed ack can lose (a redelivery after a server was
            killed) the ledger absorbs.
    """

    durable: str = "pagerduty-subscriber"
    ack_wait: float = 60.0
    max_ack_pending: int = -1
    first_start: FirstStart = FirstStart.NEW
    heartbeat: float = 5.0
    pull_expires: float = 30.0
    max_batch: int = 1000
    confirm_acks: bool = False
