"""The configuration: one set of models gives loading, errors, JSON Schema and the reference page.

Rules: plain values only (paths and names of secrets, never secrets read from somewhere); defaults
are the ones a first installation wants; durations are seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from subscriber.config.rule import RuleSpec, Section


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Listed: TypeAlias = Annotated[
    list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])
]
_LONGEST = 315_360_000
"""Ten years in seconds: what is longer is a mistake, and infinity fits into no message to NATS."""
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=_LONGEST, strict=False)]
DEFAULT_SUBJECTS = ["sh.keptn.>", "dev.cdevents.>"]


class TlsSpec(Section):
    """TLS towards NATS; the system's authorities are trusted unless `ca_file` is set."""

    ca_file: str = ""
    """PEM file of certificate authorities."""
    cert_file: str = ""
    """PEM file of our client certificate (mutual TLS)."""
    key_file: str = ""
    """PEM file of the client certificate's key."""
    server_name: str = ""
    """Name expected in the server's certificate, when it differs from the URL."""


class NatsSpec(Section):
    """Where events come from."""

    url: Listed = Field(default_factory=list)
    """One or several server URLs; the environment variable NATS_URL wins over it."""
    mode: Literal["jetstream", "core"] = "jetstream"
    """`jetstream`: a durable consumer, nothing is lost. `core`: a queue group without memory:
    events that arrive while no subscriber runs are lost."""
    subjects: Listed = Field(default_factory=lambda: list(DEFAULT_SUBJECTS), min_length=1)
    """Subjects to listen on."""
    stream: str = ""
    """Stream to bind; empty: the one that already holds the subjects, else one is created."""
    durable: str = Field(default="pagerduty-subscriber", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the durable consumer (core: of the queue group), shared by all replicas."""
    deliver: Literal["new", "all"] = "new"
    """Where a consumer that did not exist before starts: at new events, or at all still stored."""
    replicas: int = Field(default=1, ge=1, le=5)
    """Copies of streams and buckets that we create."""
    ack_wait: Seconds = 30.0
    """After this long without a sign of life a message goes to another replica. What is in hand
    when a replica or a NATS server dies comes back after it."""
    max_in_flight: int = Field(default=512, ge=1, le=65536)
    """Messages in hand at once, per process."""
    startup_timeout: Seconds = 60.0
    """How long to wait for NATS at start before giving up."""
    credentials_file: str = ""
    """A .creds file."""
    nkey_file: str = ""
    """A file with an nkey seed."""
    user: str = ""
    """User name; or set NATS_USER."""
    password_file: str = ""
    """File that holds the password for `user`; or set NATS_PASSWORD."""
    token_file: str = ""
    """File that holds a token; or set NATS_TOKEN."""
    tls: TlsSpec | None = None
    """Only needed for authorities or certificates of your own; `tls://` in `url` is enough else.
    With it (`tls: {}` will do) nothing is said to a server that offers no TLS."""


class ServiceSpec(Section):
    """A PagerDuty service that rules may name. Exactly one source for its routing key."""

    routing_key_env: str = ""
    """Environment variable that holds the key."""
    routing_key_file: str = ""
    """File that holds the key, for instance a mounted Kubernetes secret."""
    routing_key: SecretStr | None = Field(default=None, strict=False)
    """The key itself. Better kept out of this file."""
    region: Literal["us", "eu"] | None = None
    """Overrides `pagerduty.region` for this service."""
    rate_limit: int | None = Field(default=None, ge=0)
    """Overrides `pagerduty.rate_limit` for this service."""

    @model_validator(mode="after")
    def _one_source(self) -> ServiceSpec:
        given = [self.routing_key_env, self.routing_key_file, self.routing_key]
        if sum(1 for value in given if value) != 1:
            raise ValueError(
                "give exactly one of `routing_key_env`, `routing_key_file` and `routing_key`"
            )
        return self


class PagerDutySpec(Section):
    """How PagerDuty is reached."""

    region: Literal["us", "eu"] = "us"
    """Service region of the account: events.pagerduty.com or events.eu.pagerduty.com."""
    events_url: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    """Base URL instead of the region's, e.g. a proxy: `https://pd-proxy.example`."""
    timeout: Seconds = 10.0
    """For one call, connection included."""
    rate_limit: int = Field(default=120, ge=0)
    """Calls per 60 s and routing key that each process allows itself (PagerDuty takes about 120 in
    all: with N replicas, an N-th); 0: no limit of our own."""
    ca_file: str = ""
    """PEM file of the authorities to trust instead of the system's, e.g. an inspecting proxy's."""
    client: str = "pagerduty-subscriber"
    """Shown in PagerDuty as the monitoring client, unless a body says otherwise."""


class DeliverySpec(Section):
    """How hard we try."""

    max_age: Seconds = 86_400.0
    """Give up on an event this old and write a dead letter."""
    stale_after: float = Field(default=0.0, ge=0, le=_LONGEST, strict=False)
    """A trigger older than this, with nothing newer for its key, is not sent as it is. 0: off."""
    on_stale: Literal["suppress", "downgrade"] = "suppress"
    """What happens to such a trigger: nothing is sent, or its severity becomes `info`."""
    dead_letter_stream: str = Field(
        default="PAGERDUTY_DEAD_LETTERS", pattern=r"^[A-Za-z0-9_-]{1,64}$"
    )
    """JetStream stream of the dead letters."""
    ledger_bucket: str = Field(default="pagerduty_alerts", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """NATS KV bucket of the alerts we believe to be open or closed."""
    drain_timeout: Seconds = 20.0
    """How long a stop may take."""
    max_event_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    """Larger events are refused (they become dead letters)."""


class HttpSpec(Section):
    """Health and metrics."""

    listen: str = Field(default="127.0.0.1:8080", pattern=r"^(.+:\d{1,5})?$")
    """`host:port`; empty: off; port 0: any free one."""


class LogSpec(Section):
    """What is written to standard error."""

    format: Literal["auto", "json", "text"] = "auto"
    """`auto`: text on a terminal, JSON lines otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are written."""


class Config(Section):
    """The whole file; every part may be left out."""

    nats: NatsSpec = Field(default_factory=NatsSpec)
    pagerduty: PagerDutySpec = Field(default_factory=PagerDutySpec)
    services: dict[str, ServiceSpec] = Field(default_factory=dict, max_length=5000)
    """PagerDuty services by name. Left out: one called `default` with the key from the
    environment variable PAGERDUTY_ROUTING_KEY."""
    packs: Listed = Field(default_factory=lambda: ["keptn", "cdevents"])
    """Shipped rule packs that are on. Others are off until they are named, and mostly need other
    `nats.subjects` too: `tekton`, `klt`, `argocd`, `argo-rollouts`, `argo-events`, `generic`
    (docs/packs.md)."""
    rules: list[RuleSpec] = Field(default_factory=list, max_length=2000)
    """Own rules, and shipped ones with changes (`use: pack/rule`)."""
    delivery: DeliverySpec = Field(default_factory=DeliverySpec)
    http: HttpSpec = Field(default_factory=HttpSpec)
    log: LogSpec = Field(default_factory=LogSpec)
