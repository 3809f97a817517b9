"""Values that cannot work are refused at once, with the place and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chart_world import CHART, KEY, Refused, ask, laid, minimal, refusal, render, variant
from jsonschema import Draft7Validator

from subscriber.config import load_config
from subscriber.model import Problem

SECRET = {"existingSecret": {"name": "s"}}
CORE = {"config": {"nats": {"mode": "core"}}}

# values laid over the variant `minimal` -> words of the refusal
TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({"config": {"nats": {"url": ""}}}, "config.nats.url: no NATS server is named"),
    ({"config": {"nats": {"url": []}}}, "config.nats.url: no NATS server is named"),
    (
        {"config": {"nats": {"url": ["nats://a", "nats://me:secret@b"]}}},
        "config.nats.url: holds credentials",
    ),
    (
        {"routingKeys": {"default": {"value": KEY}}},
        "routingKeys.default: give exactly one of existingSecret.name and value",
    ),
    (
        {"routingKeys": {"a b": {"existingSecret": {"key": "k"}}}},
        "routingKeys.a b: give exactly one of existingSecret.name and value",
    ),
    (
        {"routingKeys": {"x": {"value": "too-short"}}},
        "routingKeys.x.value: a routing key has 32 letters and digits, this has 9 characters",
    ),
    (
        {"config": {"services": {"default": {"routing_key_file": "/x"}}}},
        "config.services.default: names a routing key, and routingKeys.default does too",
    ),
    (
        {"config": {"services": {"shop": {"region": "eu"}}}},
        "config.services.shop: has no routing key; add routingKeys.shop",
    ),
    ({"natsAuth": {"method": "token"}}, "natsAuth.existingSecret: natsAuth.method is token"),
    ({"natsAuth": {"existingSecret": "x"}}, "natsAuth.method: a Secret is named, but not what"),
    (
        {"natsAuth": {"method": "password", "existingSecret": "x"}},
        "config.nats.user: natsAuth.method is password, and no user is named",
    ),
    (
        {
            "natsAuth": {"method": "nkey", "existingSecret": "x"},
            "config": {"nats": {"nkey_file": "/k"}},
        },
        "config.nats.nkey_file: natsAuth sets it too",
    ),
    ({"natsTls": {"ca": {"key": "k"}}}, "natsTls.ca: give exactly one of secret and configMap"),
    (
        {"natsTls": {"ca": {"secret": "a", "configMap": "b"}}},
        "natsTls.ca: give exactly one of secret and configMap",
    ),
    (
        {"pagerdutyCa": {"secret": "a", "configMap": "b"}},
        "pagerdutyCa: give exactly one of secret and configMap",
    ),
    ({"natsTls": {"client": {"certKey": "k"}}}, "natsTls.client.secret: name the Secret"),
    ({"config": {"http": {"listen": ""}}}, "config.http.listen: the probes need an address"),
    ({"config": {"http": {"listen": "0.0.0.0:0"}}}, "config.http.listen: the probes need"),
    ({"config": {"http": {"listen": "127.0.0.1:8080"}}}, "cannot reach a loopback address"),
    ({"config": {"http": {"listen": "[::1]:8080"}}}, "cannot reach a loopback address"),
    ({"config": {"http": {"listen": "0.0.0.0:80"}}}, "ports below 1024 are for root"),
    (
        {"config": {"pagerduty": {"timeout": 20}}},
        "config.nats.ack_wait: must be more than 10 seconds longer than config.pagerduty.timeout; "
        "at least 35",
    ),
    (
        {"terminationGracePeriodSeconds": 24},
        "terminationGracePeriodSeconds: must be at least 5 seconds longer than "
        "config.delivery.drain_timeout (20)",
    ),
    ({"templates": {"subscriber.yaml": "x"}}, "templates: subscriber.yaml is the configuration"),
    (
        {
            "autoscaling": {"enabled": True},
            "keda": {"enabled": True, "monitoringEndpoint": "n:8222", "stream": "S"},
        },
        "autoscaling.enabled, keda.enabled: KEDA makes a HorizontalPodAutoscaler of its own",
    ),
    (
        {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}},
        "autoscaling.maxReplicas: is less than minReplicas",
    ),
    (
        {"keda": {"enabled": True, "stream": "S"}},
        "keda.monitoringEndpoint: name the monitoring port of NATS",
    ),
    (
        {"keda": {"enabled": True, "monitoringEndpoint": "n:8222"}},
        "keda.stream: name the stream whose lag counts",
    ),
    (
        {
            "keda": {
                "enabled": True,
                "monitoringEndpoint": "n:1",
                "stream": "S",
                "maxReplicaCount": 1,
            }
        },
        "keda.maxReplicaCount: is less than minReplicaCount",
    ),
    (
        {**CORE, "keda": {"enabled": True, "monitoringEndpoint": "n:8222", "stream": "S"}},
        "keda.enabled: with config.nats.mode core there is no consumer",
    ),
    (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "everything would be scraped twice",
    ),
    (
        {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}},
        "serviceMonitor.enabled: needs service.enabled",
    ),
    ({**CORE, "nack": {"enabled": True}}, "nack.enabled: with config.nats.mode core"),
    ({"nack": {"enabled": True}}, "nack.consumer.create: name the stream in config.nats.stream"),
    (
        {"prometheusRule": {"enabled": True, "disabled": ["NoSuchAlert"]}},
        "prometheusRule: there is no alert called NoSuchAlert; there are",
    ),
    (
        {"prometheusRule": {"enabled": True, "overrides": {"Tpyo": {"for": "1h"}}}},
        "prometheusRule: there is no alert called Tpyo",
    ),
]


@pytest.mark.parametrize(("values", "words"), TOGETHER, ids=[words[:60] for _, words in TOGETHER])
def test_values_that_do_not_fit_together_are_refused(values: dict[str, Any], words: str) -> None:
    assert words in refusal(minimal(**values))


def test_all_faults_are_said_at_once() -> None:
    said = refusal({"config": {"http": {"listen": "0.0.0.0:80"}}})
    assert said.count("\n  - ") == 3
    assert "These values cannot work:" in said


def test_without_any_values_it_says_what_is_needed() -> None:
    said = refusal({})
    assert "--set config.nats.url=nats://nats:4222" in said
    assert "--set routingKeys.default.existingSecret.name=pagerduty" in said


def test_nobody_to_page_is_refused() -> None:
    """Without a key the service would talk to a simulator, which its image does not even have."""
    said = refusal({"config": {"nats": {"url": "nats://n"}}})
    assert "routingKeys: no routing key, so nothing would ever reach PagerDuty" in said


def test_a_refusal_does_not_repeat_a_key() -> None:
    wrong = "0123456789abcdef"
    assert wrong not in refusal(minimal(routingKeys={"x": {"value": wrong}}))


@pytest.mark.parametrize(
    "values",
    [
        {"extraEnv": [{"name": "PAGERDUTY_ROUTING_KEY", "value": KEY}]},
        {"extraEnvFrom": [{"secretRef": {"name": "s"}}]},
        {"config": {"services": {"default": {"routing_key_env": "X"}}}},
    ],
)
def test_who_insists_may_keep_the_key_elsewhere(values: dict[str, Any]) -> None:
    render(laid({"config": {"nats": {"url": "nats://n"}}}, values))


def test_the_server_may_come_from_the_environment() -> None:
    values = {"routingKeys": {"default": SECRET}}
    for extra in (
        {"extraEnv": [{"name": "NATS_URL", "value": "nats://n"}]},
        {"extraEnvFrom": [{"configMapRef": {"name": "s"}}]},
    ):
        assert "url" not in render({**values, **extra}).config["nats"]


# -- one value alone -----------------------------------------------------------------------------

# values -> words of the refusal
ALONE: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 3}, "additional properties 'replicas' not allowed"),
    ({"replicaCount": "3"}, "at '/replicaCount': got string, want integer"),
    ({"replicaCount": 0}, "at '/replicaCount': minimum: got 0, want 1"),
    ({"image": {"tag": "a b"}}, "at '/image/tag'"),
    ({"image": {"pullPolicy": "always"}}, "at '/image/pullPolicy': value must be one of 'Always'"),
    ({"image": {"digest": "sha1:00"}}, "at '/image/digest'"),
    ({"config": {"natss": {}}}, "at '/config': additional properties 'natss' not allowed"),
    ({"config": {"nats": {"ack_wait": "30s"}}}, "at '/config/nats/ack_wait': got string"),
    ({"config": {"nats": {"mode": "streaming"}}}, "at '/config/nats/mode': value must be one of"),
    ({"config": {"delivery": {"max_age": 0}}}, "at '/config/delivery/max_age'"),
    (
        {"config": {"services": {"a": {"routing_key": KEY}}}},
        "at '/config/services/a': additional properties 'routing_key' not allowed",
    ),
    (
        {"config": {"services": {"a": {"routing_key_env": "A", "routing_key_file": "b"}}}},
        "at '/config/services/a': 'not' failed",
    ),
    ({"config": {"rules": [{"types": "x"}]}}, "at '/config/rules/0'"),
    ({"routingKeys": {"a": {"secret": "x"}}}, "additional properties 'secret' not allowed"),
    ({"routingKeys": {"a": {"existingSecret": {"name": "A_B"}}}}, "existingSecret/name"),
    ({"templates": {"a/b": "x"}}, "at '/templates'"),
    ({"natsAuth": {"method": "jwt"}}, "at '/natsAuth/method': value must be one of"),
    ({"extraEnv": {"A": "b"}}, "at '/extraEnv': got object, want array"),
    ({"networkPolicy": {"natsPorts": [70000]}}, "at '/networkPolicy/natsPorts/0': maximum"),
    ({"probes": {"readiness": {"httpGet": {}}}}, "additional properties 'httpGet' not allowed"),
    ({"keda": {"minReplicaCount": 0}}, "at '/keda/minReplicaCount': minimum: got 0, want 1"),
    ({"keda": {"monitoringEndpoint": "http://n:8222"}}, "at '/keda/monitoringEndpoint'"),
    ({"nack": {"stream": {"maxAge": "7 days"}}}, "at '/nack/stream/maxAge'"),
    ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "at '/podDisruptionBudget"),
    ({"podAnnotations": {"a": 1}}, "at '/podAnnotations/a': got number, want string"),
]


@pytest.mark.parametrize(("values", "words"), ALONE, ids=[json.dumps(one) for one, _ in ALONE])
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, Any], words: str) -> None:
    said = refusal(minimal(**values))
    assert "values don't meet the specifications of the schema" in said
    assert words in said


@pytest.mark.parametrize(("values", "words"), ALONE, ids=[json.dumps(one) for one, _ in ALONE])
def test_editors_refuse_it_too(values: dict[str, Any], words: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    assert words
    assert list(Draft7Validator(schema).iter_errors(minimal(**values)))


WRONG_CONFIG = [
    "nats: {urls: x}",
    "nats: {replicas: 9}",
    "nats: {durable: 'a b'}",
    "http: {listen: nowhere}",
    "services: {default: {routing_key_env: X, routing_key_file: y}}",
    "rules: [{types: x}]",
    "rules: [{name: '-'}]",
    "rules: [{name: a, types: {a: b}}]",
    "rules: [{name: a, match: {data.x: {y: z}}}]",
    "rules: [{name: a, missing: ignore}]",
    "rules: [{name: a, enabled: 'yes'}]",
    "packs: {keptn: true}",
    "log: {level: loud}",
]


@pytest.mark.parametrize("text", WRONG_CONFIG)
def test_what_the_service_refuses_helm_refuses_too(text: str) -> None:
    with pytest.raises(Problem):
        load_config(text)
    with pytest.raises(Refused, match="meet the specifications of the schema"):
        render(minimal(config=ask(do="parse", text=text)))


def test_a_parent_chart_may_add_its_own() -> None:
    render(minimal(**{"global": {"x": 1}, "enabled": True}))


def test_a_default_can_be_taken_away() -> None:
    """As on OpenShift, where the platform chooses the user."""
    nothing = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    found = render(minimal(podSecurityContext=nothing)).pod["securityContext"]
    assert found["runAsNonRoot"] is True
    assert not set(found) & set(nothing)


def test_the_variants_are_no_secret_to_editors() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    for file in CHART.glob("ci/*-values.yaml"):
        name = file.name.removesuffix("-values.yaml")
        assert not list(Draft7Validator(schema).iter_errors(variant(name)))
