"""What may be written in the chart's values: names and types, once.

Rules: this says types only. Defaults and descriptions stand in `pagerduty-subscriber/values.yaml`,
the part `config` is the service's own model (`subscriber.config`). What depends on several values
at once is refused by `templates/_checks.tpl`. Types of Kubernetes itself (affinity, peers of a
NetworkPolicy) are left to the API server. How the schema is written down is not known here; see
`generate.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

closed = with_config(ConfigDict(extra="forbid"))
"""Unknown keys are refused."""

Objects: TypeAlias = list[dict[str, Any]]
"""Things of Kubernetes in a list."""
Strings: TypeAlias = dict[str, str]
Name: TypeAlias = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")]
"""Of a resource of Kubernetes, or nothing."""
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Percentage: TypeAlias = Annotated[str, Field(pattern=r"^(100|[0-9]{1,2})%$")]
Duration: TypeAlias = Annotated[str, Field(pattern=r"^([0-9]+(ms|s|m|h))*$")]
"""As Go and Prometheus write it: `168h`, `1m30s`."""
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
"""A key of a ConfigMap or Secret."""


@closed
class ExistingKey(TypedDict, total=False):
    """Where a routing key is."""

    name: Name
    key: FileName


@closed
class RoutingKey(TypedDict, total=False):
    """A routing key: where it is, or what it is."""

    existingSecret: ExistingKey
    value: str


@closed
class NatsAuth(TypedDict, total=False):
    """How NATS knows us."""

    method: Literal["", "credentials", "nkey", "password", "token"]
    existingSecret: Name
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{0,253}$")]


@closed
class CaSource(TypedDict, total=False):
    """Where certificates of authorities are."""

    secret: Name
    configMap: Name
    key: FileName


@closed
class ClientCertificate(TypedDict, total=False):
    """Where our certificate is."""

    secret: Name
    certKey: FileName
    keyKey: FileName


@closed
class NatsTls(TypedDict, total=False):
    """TLS towards NATS."""

    ca: CaSource
    client: ClientCertificate
    serverName: str


@closed
class Image(TypedDict, total=False):
    """What runs."""

    repository: Annotated[str, Field(pattern=r"^[^\s@]+$")]
    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
    pullPolicy: Literal["Always", "IfNotPresent", "Never"]


@closed
class RollingUpdate(TypedDict, total=False):
    """How a new version comes in."""

    maxUnavailable: Count | Percentage
    maxSurge: Count | Percentage


@closed
class UpdateStrategy(TypedDict, total=False):
    """How a new version comes in."""

    type: Literal["RollingUpdate", "Recreate"]
    rollingUpdate: RollingUpdate | None


@closed
class PodDisruptionBudget(TypedDict, total=False):
    """What a drain may take away."""

    enabled: bool
    maxUnavailable: Count | Percentage | None
    minAvailable: Count | Percentage | None


@closed
class Autoscaling(TypedDict, total=False):
    """HorizontalPodAutoscaler."""

    enabled: bool
    minReplicas: Annotated[int, Field(ge=1)]
    maxReplicas: Annotated[int, Field(ge=1)]
    targetCPUUtilizationPercentage: Annotated[int, Field(ge=1)]
    behavior: dict[str, Any]


@closed
class Keda(TypedDict, total=False):
    """ScaledObject."""

    enabled: bool
    monitoringEndpoint: Annotated[str, Field(pattern=r"^([^\s/:]+:[0-9]{1,5})?$")]
    account: str
    stream: str
    useHttps: bool
    lagThreshold: Annotated[int, Field(ge=1)]
    minReplicaCount: Annotated[int, Field(ge=1)]
    maxReplicaCount: Annotated[int, Field(ge=1)]
    pollingInterval: Annotated[int, Field(ge=1)]
    fallback: dict[str, Any]
    advanced: dict[str, Any]


@closed
class ServiceAccount(TypedDict, total=False):
    """ServiceAccount."""

    create: bool
    name: Name
    annotations: Strings


@closed
class NetworkPolicy(TypedDict, total=False):
    """NetworkPolicy."""

    enabled: bool
    ingressFrom: Objects
    dnsTo: Objects
    natsTo: Objects
    natsPorts: list[Port]
    pagerdutyTo: Objects
    pagerdutyPorts: list[Port]
    extraEgress: Objects


@closed
class Probe(TypedDict, total=False):
    """Times of a probe; where it asks is fixed."""

    initialDelaySeconds: Count
    periodSeconds: Annotated[int, Field(ge=1)]
    timeoutSeconds: Annotated[int, Field(ge=1)]
    successThreshold: Annotated[int, Field(ge=1)]
    failureThreshold: Annotated[int, Field(ge=1)]


@closed
class Probes(TypedDict, total=False):
    """The three probes."""

    startup: Probe
    liveness: Probe
    readiness: Probe


class EnvironmentVariable(TypedDict, total=False):
    """A variable: its name, and what Kubernetes allows as its value."""

    name: Annotated[str, Field(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    value: str
    valueFrom: dict[str, Any]


@closed
class Service(TypedDict, total=False):
    """Service for health and metrics."""

    enabled: bool
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    port: Port
    annotations: Strings


@closed
class Monitor(TypedDict, total=False):
    """ServiceMonitor or PodMonitor."""

    enabled: bool
    namespace: Name
    labels: Strings
    interval: Duration
    scrapeTimeout: Duration
    relabelings: Objects
    metricRelabelings: Objects


@closed
class PrometheusRule(TypedDict, total=False):
    """Alerts."""

    enabled: bool
    namespace: Name
    labels: Strings
    alertLabels: Strings
    disabled: list[str]
    overrides: dict[str, dict[str, Any]]
    extraGroups: Objects


@closed
class Dashboard(TypedDict, total=False):
    """Grafana dashboard."""

    enabled: bool
    namespace: Name
    labels: Strings
    annotations: Strings


@closed
class NackStream(TypedDict, total=False):
    """The stream of the events."""

    create: bool
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
    subjects: list[str]
    maxAge: Duration


@closed
class NackDeadLetters(TypedDict, total=False):
    """The stream of the dead letters."""

    create: bool
    maxAge: Duration


@closed
class NackOther(TypedDict, total=False):
    """A thing that is made or not."""

    create: bool


@closed
class Nack(TypedDict, total=False):
    """Resources of the NATS JetStream controller."""

    enabled: bool
    account: Name
    servers: list[str]
    preventDelete: bool
    preventUpdate: bool
    stream: NackStream
    consumer: NackOther
    deadLetters: NackDeadLetters
    ledger: NackOther


@closed
class Tests(TypedDict, total=False):
    """`helm test`."""

    enabled: bool
    event: dict[str, Any]
    expectMatch: bool
    strict: bool


@closed
class Values(TypedDict, total=False):
    """The whole file, but for `config`, which is the service's own model."""

    config: dict[str, Any]
    templates: dict[FileName, str]
    routingKeys: dict[Annotated[str, Field(min_length=1)], RoutingKey]
    natsAuth: NatsAuth
    natsTls: NatsTls
    pagerdutyCa: CaSource
    image: Image
    imagePullSecrets: Objects
    replicaCount: Annotated[int, Field(ge=1)]
    updateStrategy: UpdateStrategy
    revisionHistoryLimit: Count
    terminationGracePeriodSeconds: Annotated[int, Field(ge=1)] | None
    podDisruptionBudget: PodDisruptionBudget
    topologySpreadConstraints: Objects
    autoscaling: Autoscaling
    keda: Keda
    serviceAccount: ServiceAccount
    podSecurityContext: dict[str, Any]
    securityContext: dict[str, Any]
    networkPolicy: NetworkPolicy
    resources: dict[str, Any]
    probes: Probes
    extraEnv: list[EnvironmentVariable]
    extraEnvFrom: Objects
    extraVolumes: Objects
    extraVolumeMounts: Objects
    podAnnotations: Strings
    podLabels: Strings
    nodeSelector: Strings
    tolerations: Objects
    affinity: dict[str, Any]
    priorityClassName: Name
    runtimeClassName: Name
    service: Service
    serviceMonitor: Monitor
    podMonitor: Monitor
    prometheusRule: PrometheusRule
    dashboard: Dashboard
    nack: Nack
    tests: Tests
    nameOverride: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]
    fullnameOverride: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]
    commonLabels: Strings
    commonAnnotations: Strings
    enabled: bool
    global_: Annotated[dict[str, Any], Field(alias="global")]
