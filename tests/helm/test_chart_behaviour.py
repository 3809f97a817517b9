"""What the chart makes, one behaviour each."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_world import (
    CHART,
    EXISTING,
    KEY,
    VARIANTS,
    Node,
    Rendered,
    ask,
    containers,
    laid,
    minimal,
    render,
    variant,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.config import Config, load_config
from subscriber.service.rulebook import load_packs

EVERYTHING = variant("everything-on")


def everything() -> Rendered:
    return render(EVERYTHING)


# -- replicas ------------------------------------------------------------------------------------


def test_two_replicas_and_a_new_one_is_ready_before_an_old_one_goes() -> None:
    spec = render(minimal()).deployment["spec"]
    assert spec["replicas"] == 2
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}


def test_recreate_takes_no_rolling_update() -> None:
    spec = render(minimal(updateStrategy={"type": "Recreate"})).deployment["spec"]
    assert spec["strategy"] == {"type": "Recreate"}


def test_replicas_spread_over_zones_and_nodes() -> None:
    rendered = render(minimal())
    found = rendered.pod["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in found] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    selector = rendered.deployment["spec"]["selector"]
    for one in found:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["labelSelector"] == selector
        assert one["matchLabelKeys"] == ["pod-template-hash"]


def test_a_constraint_of_ones_own_keeps_its_selector() -> None:
    own = {
        "maxSkew": 2,
        "topologyKey": "rack",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"a": "b"}},
    }
    assert render(minimal(topologySpreadConstraints=[own])).pod["topologySpreadConstraints"] == [
        own
    ]


def test_a_drain_takes_one_replica_at_a_time_and_is_not_held_up_by_ill_ones() -> None:
    rendered = render(minimal())
    spec = rendered.one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert spec["selector"] == rendered.deployment["spec"]["selector"]
    spec = everything().one("PodDisruptionBudget")["spec"]
    assert spec["minAvailable"] == 1
    assert "maxUnavailable" not in spec


@pytest.mark.parametrize("drain", [0.5, 20, 40, 119.2])
def test_a_stop_has_more_time_than_the_drain(drain: float) -> None:
    pod = render(minimal(config={"delivery": {"drain_timeout": drain}})).pod
    assert drain + 15 <= pod["terminationGracePeriodSeconds"] < drain + 16
    given = minimal(terminationGracePeriodSeconds=120)
    assert render(given).pod["terminationGracePeriodSeconds"] == 120


def test_the_charts_idea_of_the_services_defaults_is_right() -> None:
    """Written in templates/_config.tpl, nack.yaml and _checks.tpl."""
    config = Config()
    assert config.delivery.drain_timeout == 20
    assert config.nats.durable == "pagerduty-subscriber"
    assert config.nats.ack_wait == 30
    assert config.pagerduty.timeout == 10
    assert config.nats.subjects == ["sh.keptn.>", "dev.cdevents.>"]
    assert config.nats.deliver == "new"
    assert config.nats.mode == "jetstream"
    assert config.packs[0] == "keptn"
    assert config.pagerduty.rate_limit == 120


# -- probes --------------------------------------------------------------------------------------


def test_probes_ask_the_port_of_the_configuration() -> None:
    rendered = everything()
    container = rendered.container
    port = {"name": "http", "containerPort": 9090, "protocol": "TCP"}
    assert container["ports"] == [port]
    asked = {
        name: (container[name]["httpGet"]["path"], container[name]["httpGet"]["port"])
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": ("/healthz", "http"),
        "livenessProbe": ("/healthz", "http"),
        "readinessProbe": ("/readyz", "http"),
    }


def test_times_of_a_probe_can_be_set() -> None:
    probe = render(minimal(probes={"startup": {"failureThreshold": 90}})).container["startupProbe"]
    assert probe["failureThreshold"] == 90
    assert probe["httpGet"]["path"] == "/healthz"


def test_the_service_listens_where_the_probes_ask() -> None:
    assert render(minimal()).config["http"]["listen"] == "0.0.0.0:8080"


# -- configuration -------------------------------------------------------------------------------

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).filter(lambda one: one != "<<")
_ODD = (
    "yes no on off y n null ~ true 0o17 017 0x1f 1e3 1_000 12:30 .inf 2026-01-01 = <no> - ? "
    "{{.a}} {{-b-}} %d @x `y` #c | > & * ! ' \" : a:b [x] 0b11 +1 -.5 1. NaN \u2028"
)
"""What one YAML or another takes for something else than text."""
# `<<` alone is refused by the service, in its place: it merges mappings in other YAML
_WORDS = st.one_of(
    _TEXT,
    st.sampled_from(_ODD.split(" ")),
)
_NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(1e-6, 1e15),
    st.floats(-1e15, -1e-6),
    st.sampled_from([0, 1_000_000, 1_048_576, 2_097_152, 10_000_000, 123_456_789, 0.1, 1e6]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        _WORDS,
        st.lists(st.one_of(_WORDS, _NUMBERS, st.booleans()), min_size=1),
    )
)
def test_what_is_written_is_what_the_service_reads(match: dict[str, list[Any]]) -> None:
    """Helm writes YAML 1.1, the service reads 1.2: words, numbers and templates must not change."""
    rules = [{"name": "r", "types": "t", "match": match}]
    text = render(minimal(config={"rules": rules})).config_map["data"]["subscriber.yaml"]
    config, _ = load_config(text)
    assert config.rules[0].match == match
    found = config.rules[0].match or {}
    for key, values in match.items():
        assert [type(one) is bool for one in found[key]] == [type(one) is bool for one in values]
        assert [isinstance(one, str) for one in found[key]] == [
            isinstance(one, str) for one in values
        ]


def test_no_short_text_becomes_something_else() -> None:
    """Every text of up to three characters of which numbers are made."""
    words = ["".join(word) for size in (1, 2, 3) for word in product("07_.+-exob:=", repeat=size)]
    rules = [
        {"name": f"r{start}", "types": "t", "match": {"data.x": words[start : start + 200]}}
        for start in range(0, len(words), 200)
    ]
    text = render(minimal(config={"rules": rules})).config_map["data"]["subscriber.yaml"]
    config, _ = load_config(text)
    assert [word for rule in config.rules for word in (rule.match or {})["data.x"]] == words


def test_large_numbers_stay_whole() -> None:
    config = minimal(config={"delivery": {"max_event_bytes": 50_000_000}})
    text = render(config).config_map["data"]["subscriber.yaml"]
    assert "max_event_bytes: 50000000\n" in text
    assert load_config(text)[0].delivery.max_event_bytes == 50_000_000


def test_own_templates_lie_beside_the_configuration_as_they_are() -> None:
    body = '{{/* c */}}{\n  "summary": "{{ .data.x | printf "%q" }}\\n",\t"é": 1}\n\n'
    data = render(minimal(templates={"a.json.tmpl": body})).config_map["data"]
    assert data["a.json.tmpl"] == body
    assert set(data) == {"subscriber.yaml", "a.json.tmpl"}


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ({}, 60),
        ({"replicaCount": 1}, 120),
        ({"replicaCount": 7}, 17),
        ({"replicaCount": 500}, 1),
        ({"autoscaling": {"enabled": True, "maxReplicas": 4}}, 30),
        ({"config": {"pagerduty": {"rate_limit": 0}}}, 0),
        ({"config": {"pagerduty": {"rate_limit": 90}}}, 90),
    ],
)
def test_replicas_share_what_pagerduty_allows(values: dict[str, Any], limit: int) -> None:
    assert render(minimal(**values)).config["pagerduty"]["rate_limit"] == limit


# -- secrets -------------------------------------------------------------------------------------


def test_a_value_becomes_a_secret_of_its_own_and_nothing_else() -> None:
    second = KEY[::-1]
    rendered = render(minimal(routingKeys={"a": {"value": KEY}, "B c": {"value": second}}))
    found = {one["metadata"]["name"]: one["data"] for one in rendered.all("Secret")}
    assert len(found) == 2
    others = [one for one in rendered.objects if one["kind"] != "Secret"]
    for key in (KEY, second):
        assert key not in json.dumps(others)
        assert key not in rendered.notes
    assert "WARNING: the routing key of a was given as a value" in rendered.notes


def test_no_two_services_share_a_file(tmp_path: Path) -> None:
    names = ["a b", "a-b", "A b", "a_b", "ä", "ö", "-", "x" * 60, "x" * 61, "a.b", "../etc"]
    keys = {name: {"value": f"{number:032d}"} for number, name in enumerate(names)}
    rendered = render(minimal(routingKeys=keys))
    node = Node(tmp_path, EXISTING)
    node.show(rendered, rendered.pod, rendered.container)
    for number, name in enumerate(names):
        file = rendered.config["services"][name]["routing_key_file"]
        assert file.startswith("/etc/pagerduty-subscriber/routing-keys/")
        assert node.path(file).read_text() == f"{number:032d}"


def test_existing_secrets_are_mounted_by_name_and_key() -> None:
    rendered = render(variant("many-services"))
    volumes = {one["name"]: one for one in rendered.pod["volumes"]}
    sources = volumes["routing-keys"]["projected"]["sources"]
    assert {
        one["secret"]["name"]: (one["secret"]["items"][0]["key"], one["secret"]["items"][0]["path"])
        for one in sources
    } == {
        "pagerduty-fallback": ("routing-key", "default"),
        "pagerduty-payments": ("integration-key", "payments"),
        "pagerduty-search": ("routing-key", "search-browse-0a5fed28"),
    }
    assert rendered.all("Secret") == []


@pytest.mark.parametrize(
    ("method", "option", "key"),
    [
        ("credentials", "credentials_file", "nats.creds"),
        ("nkey", "nkey_file", "nkey.seed"),
        ("password", "password_file", "password"),
        ("token", "token_file", "token"),
    ],
)
def test_nats_credentials_are_files(method: str, option: str, key: str) -> None:
    values = minimal(natsAuth={"method": method, "existingSecret": "s"})
    values = laid(values, {"config": {"nats": {"user": "u"}}})
    for given_key, wanted in (("", key), ("other", "other")):
        rendered = render(laid(values, {"natsAuth": {"key": given_key}}))
        path = f"/etc/pagerduty-subscriber/nats-auth/{method}"
        assert rendered.config["nats"][option] == path
        volume = next(one for one in rendered.pod["volumes"] if one["name"] == "nats-auth")
        assert volume["secret"]["items"] == [{"key": wanted, "path": method}]
        assert volume["secret"]["secretName"] == "s"


def test_mutual_tls_towards_nats() -> None:
    rendered = render(variant("mtls"))
    folder = "/etc/pagerduty-subscriber/nats-tls"
    assert rendered.config["nats"]["tls"] == {
        "ca_file": f"{folder}/ca.crt",
        "cert_file": f"{folder}/tls.crt",
        "key_file": f"{folder}/tls.key",
        "server_name": "nats.messaging.example",
    }
    assert (
        rendered.config["pagerduty"]["ca_file"] == "/etc/pagerduty-subscriber/pagerduty-ca/ca.crt"
    )


# -- network -------------------------------------------------------------------------------------


def egress(rendered: Rendered) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = rendered.one("NetworkPolicy")["spec"]["egress"]
    return rules


def ports(rule: dict[str, Any]) -> list[int]:
    return [one["port"] for one in rule["ports"]]


def test_out_go_dns_nats_and_pagerduty_only() -> None:
    rendered = render(minimal())
    spec = rendered.one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    dns, nats, pagerduty = egress(rendered)
    assert [(one["port"], one["protocol"]) for one in dns["ports"]] == [(53, "UDP"), (53, "TCP")]
    assert ports(nats) == [4222]
    assert ports(pagerduty) == [443]
    blocks = [one["ipBlock"] for one in pagerduty["to"]]
    assert [one["cidr"] for one in blocks] == ["0.0.0.0/0", "::/0"]
    assert "169.254.0.0/16" in blocks[0]["except"]
    assert spec["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]


def test_the_policy_is_for_every_pod_of_the_release() -> None:
    rendered = everything()
    selected = rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    for labels in (
        rendered.deployment["spec"]["template"]["metadata"]["labels"],
        rendered.one("Pod")["metadata"]["labels"],
    ):
        assert selected <= labels.items()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("nats://a:4333", [4333]),
        ("tls://a", [4222]),
        ("a.b.c", [4222]),
        ("wss://a/path:1", [443]),
        ("ws://a", [80]),
        (["nats://a:1", "nats://b:2", "nats://c:1"], [1, 2]),
        ("nats://[fd00::1]:4444", [4444]),
        ("nats://[fd00::1]", [4222]),
    ],
)
def test_ports_of_nats_come_from_its_urls(url: Any, wanted: list[int]) -> None:
    assert ports(egress(render(minimal(config={"nats": {"url": url}})))[1]) == wanted


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"config": {"pagerduty": {"events_url": "https://p.example"}}}, 443),
        ({"config": {"pagerduty": {"events_url": "http://p.example:8080/x"}}}, 8080),
        ({"config": {"pagerduty": {"events_url": "http://p.example"}}}, 80),
        ({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]}, 3128),
        ({"extraEnv": [{"name": "https_proxy", "value": "http://proxy:3128/"}]}, 3128),
    ],
)
def test_a_proxy_on_the_way_to_pagerduty_can_be_anywhere(
    values: dict[str, Any], wanted: int
) -> None:
    rule = egress(render(minimal(**values)))[2]
    assert ports(rule) == [wanted]
    assert "to" not in rule


def test_peers_and_further_rules_can_be_named() -> None:
    rendered = everything()
    spec = rendered.one("NetworkPolicy")["spec"]
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert spec["ingress"][0]["from"] == [{"namespaceSelector": monitoring}]
    assert "to" in spec["egress"][0]
    assert spec["egress"][3] == EVERYTHING["networkPolicy"]["extraEgress"][0]
    mtls = egress(render(variant("mtls")))[2]
    assert ports(mtls) == [3128]
    assert mtls["to"] == [{"ipBlock": {"cidr": "10.20.30.40/32"}}]


# -- scaling -------------------------------------------------------------------------------------


def test_nothing_scales_by_itself_by_default() -> None:
    rendered = render(minimal())
    assert rendered.all("HorizontalPodAutoscaler") == rendered.all("ScaledObject") == []


def test_an_autoscaler_owns_the_number_of_replicas() -> None:
    rendered = render(minimal(autoscaling={"enabled": True, "behavior": {"scaleDown": {}}}))
    spec = rendered.one("HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"]["name"] == rendered.deployment["metadata"]["name"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert "replicas" not in rendered.deployment["spec"]


def test_keda_looks_at_the_services_own_consumer() -> None:
    rendered = everything()
    spec = rendered.one("ScaledObject")["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "nats-jetstream"
    assert trigger["metadata"] == {
        "natsServerMonitoringEndpoint": "nats-headless.messaging.svc:8222",
        "account": "$G",
        "stream": "DELIVERY",
        "consumer": rendered.config["nats"]["durable"],
        "lagThreshold": "500",
        "useHttps": "false",
    }
    assert spec["minReplicaCount"] >= 1
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2}
    assert "replicas" not in rendered.deployment["spec"]


# -- watching ------------------------------------------------------------------------------------


def test_the_metrics_of_ill_pods_are_seen_too() -> None:
    rendered = render(minimal())
    spec = rendered.one("Service")["spec"]
    assert spec["publishNotReadyAddresses"] is True
    assert spec["selector"] == rendered.deployment["spec"]["selector"]["matchLabels"]
    assert spec["ports"][0]["targetPort"] == rendered.container["ports"][0]["name"]


def test_a_service_monitor_finds_the_service() -> None:
    rendered = everything()
    monitor, service = rendered.one("ServiceMonitor"), rendered.one("Service")
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [one["name"] for one in service["spec"]["ports"]]
    assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "30s")
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_two_releases_are_two_jobs() -> None:
    """Alerts are by namespace and job, so the job is the Service's name, Prometheus's default."""
    assert "jobLabel" not in everything().one("ServiceMonitor")["spec"]


def test_a_pod_monitor_finds_the_pods() -> None:
    rendered = render(minimal(podMonitor={"enabled": True, "interval": "15s"}))
    monitor = rendered.one("PodMonitor")
    labels = rendered.deployment["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == rendered.container["ports"][0]["name"]
    assert endpoint["interval"] == "15s"


def shipped_alerts() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text("utf-8"))
    return {rule["alert"]: rule for group in found["groups"] for rule in group["rules"]}


def made_alerts(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings = minimal(prometheusRule={"enabled": True, **values})
    groups = render(settings).one("PrometheusRule")["spec"]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_alerts_are_those_of_the_file() -> None:
    assert made_alerts({}) == shipped_alerts()


def test_alerts_can_be_labelled_changed_and_left_out() -> None:
    names = list(shipped_alerts())
    first = names[0]
    change = {"for": "77m", "labels": {"severity": "info"}}
    made = made_alerts({"alertLabels": {"team": "x"}, "overrides": {first: change}})
    assert all(rule["labels"]["team"] == "x" for rule in made.values())
    assert made[first]["for"] == "77m"
    assert made[first]["labels"]["severity"] == "info"
    assert made[first]["expr"] == shipped_alerts()[first]["expr"]
    assert list(made_alerts({"disabled": [first]})) == names[1:]


def test_groups_of_ones_own_come_with_the_alerts() -> None:
    groups = everything().one("PrometheusRule")["spec"]["groups"]
    assert groups[-1]["name"] == "own"


def test_the_dashboard_is_where_grafanas_sidecar_looks() -> None:
    found = everything().one("ConfigMap", "-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "monitoring"
    assert found["metadata"]["annotations"]["grafana_folder"] == "Delivery"
    (text,) = found["data"].values()
    assert json.loads(text) == json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))


# -- helm test -----------------------------------------------------------------------------------


def dry_run(values: dict[str, Any], root: Path) -> list[tuple[int, str]]:
    """Exit codes and outputs of the containers of `helm test`, until one fails."""
    rendered = render(values)
    pod = rendered.one("Pod")["spec"]
    told: list[tuple[int, str]] = []
    for container in containers(pod):
        node = Node(root / container["name"], EXISTING)
        node.show(rendered, pod, container)
        arguments = [
            str(node.path(one)) if one.startswith("/etc/") else one for one in container["args"]
        ]
        done = CliRunner().invoke(app, arguments)
        told.append((done.exit_code, done.output))
        if done.exit_code:
            break
    return told


def test_helm_test_fails_for_a_configuration_that_would_not_start(tmp_path: Path) -> None:
    broken = [{"name": "x", "types": "t", "action": "trigger", "dedup_key": "{{ .data.x"}]
    ((code, said),) = dry_run(minimal(config={"rules": broken}), tmp_path)
    assert code == 2
    assert "subscriber.yaml:" in said


def test_helm_test_fails_for_a_template_that_is_missing(tmp_path: Path) -> None:
    broken = [{"use": "keptn/evaluation", "body_file": "nowhere.json"}]
    ((code, said),) = dry_run(minimal(config={"rules": broken}), tmp_path)
    assert code == 2
    assert "nowhere.json" in said


def test_helm_test_fails_when_nobody_would_be_paged(tmp_path: Path) -> None:
    off = [{"use": name, "enabled": False} for name in load_packs() if name.startswith("keptn/")]
    told = dry_run(minimal(config={"rules": off}), tmp_path)
    assert [code for code, _ in told] == [0, 1]
    assert "no rule matches" in told[-1][1]


def test_helm_test_can_be_content_with_a_good_configuration(tmp_path: Path) -> None:
    values = minimal(config={"packs": []}, tests={"expectMatch": False})
    assert [code for code, _ in dry_run(values, tmp_path)] == [0, 0]


def test_helm_test_can_be_strict(tmp_path: Path) -> None:
    doubtful = {"name": "x", "types": "t", "action": "trigger", "dedup_key": "{{ .id }}"}
    values = minimal(config={"rules": [doubtful]})
    assert [code for code, _ in dry_run(values, tmp_path / "lax")] == [0, 0]
    strict = laid(values, {"tests": {"strict": True}})
    assert [code for code, _ in dry_run(strict, tmp_path / "strict")] == [1]


@pytest.mark.parametrize("pack", sorted({rule.pack for rule in load_packs().values()}))
def test_helm_test_has_an_event_for_every_pack(pack: str, tmp_path: Path) -> None:
    told = dry_run(minimal(config={"packs": [pack], "nats": {"subjects": [">"]}}), tmp_path)
    assert [code for code, _ in told] == [0, 0], told[-1][1]


def test_helm_test_can_be_left_out() -> None:
    rendered = render(minimal(tests={"enabled": False}))
    assert rendered.all("Pod") == []
    assert "helm -n delivery test" not in rendered.notes


# -- names, labels, image ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, "pagerduty-subscriber:0.1.0"),
        ({"repository": "r.example:5000/p", "tag": "2"}, "r.example:5000/p:2"),
        (
            {"repository": "r/p", "tag": "2", "digest": f"sha256:{'0' * 64}"},
            f"r/p@sha256:{'0' * 64}",
        ),
    ],
)
def test_the_image_can_come_from_anywhere(image: dict[str, str], wanted: str) -> None:
    rendered = render(minimal(image=image))
    images = {one["image"] for one in containers(rendered.pod)}
    images |= {one["image"] for one in containers(rendered.one("Pod")["spec"])}
    assert images == {wanted}


def test_the_charts_version_is_the_programs() -> None:
    import tomllib

    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == project["version"]


@pytest.mark.parametrize(
    ("values", "release", "wanted"),
    [
        ({}, "pager", "pager-pagerduty-subscriber"),
        ({}, "my-pagerduty-subscriber", "my-pagerduty-subscriber"),
        ({"nameOverride": "x"}, "pager", "pager-x"),
        ({"fullnameOverride": "y"}, "pager", "y"),
        ({}, "r" * 53, "r" * 52),
    ],
)
def test_names(values: dict[str, Any], release: str, wanted: str) -> None:
    assert render(minimal(**values), name=release).deployment["metadata"]["name"] == wanted


def test_two_releases_in_one_namespace_do_not_meet() -> None:
    found = [render(minimal(), name=name) for name in ("a", "b")]
    names = [{(one["kind"], one["metadata"]["name"]) for one in each.objects} for each in found]
    assert not names[0] & names[1]
    selectors = [each.deployment["spec"]["selector"]["matchLabels"] for each in found]
    assert selectors[0] != selectors[1]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_resource_has_its_name_space_and_labels(name: str) -> None:
    rendered = render(variant(name))
    common = variant(name).get("commonLabels", {})
    for one in rendered.objects:
        labels = one["metadata"]["labels"]
        assert one["metadata"]["namespace"] in ("delivery", "monitoring")
        assert labels["app.kubernetes.io/instance"] == "pager"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert common.items() <= labels.items()
        assert all(len(value) <= 63 for value in labels.values())


def test_labels_of_ones_own_cannot_break_the_selectors() -> None:
    wrong = {"app.kubernetes.io/name": "x", "app.kubernetes.io/instance": "y"}
    rendered = render(minimal(commonLabels=wrong, podLabels=wrong))
    labels = rendered.deployment["spec"]["template"]["metadata"]["labels"]
    assert rendered.deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_pods_settings_reach_the_pod() -> None:
    rendered = everything()
    pod, container = rendered.pod, rendered.container
    for field in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert pod[field] == EVERYTHING[field]
    assert pod["imagePullSecrets"] == EVERYTHING["imagePullSecrets"]
    assert container["env"] == EVERYTHING["extraEnv"]
    assert container["envFrom"] == EVERYTHING["extraEnvFrom"]
    assert container["resources"] == EVERYTHING["resources"]
    assert EVERYTHING["extraVolumes"][0] in pod["volumes"]
    assert EVERYTHING["extraVolumeMounts"][0] in container["volumeMounts"]
    template = rendered.deployment["spec"]["template"]["metadata"]
    assert EVERYTHING["podAnnotations"].items() <= template["annotations"].items()
    assert EVERYTHING["podLabels"].items() <= template["labels"].items()


def test_a_new_chart_alone_does_not_replace_pods() -> None:
    labels = render(minimal()).deployment["spec"]["template"]["metadata"]["labels"]
    assert "helm.sh/chart" not in labels


# -- notes ---------------------------------------------------------------------------------------


def test_the_notes_say_what_to_do_next() -> None:
    notes = render(minimal()).notes
    assert "kubectl -n delivery rollout status deployment/pager-pagerduty-subscriber" in notes
    assert "helm -n delivery test pager --logs" in notes
    assert "dlq list" in notes
    assert "kubectl -n delivery rollout restart" in notes
    assert "It pages the PagerDuty services default." in notes


def test_the_notes_warn() -> None:
    assert "nothing watches the watcher" in render(minimal()).notes
    watched = minimal(serviceMonitor={"enabled": True}, prometheusRule={"enabled": True})
    assert "nothing watches" not in render(watched).notes
    assert "config.nats.mode is core" in render(minimal(config={"nats": {"mode": "core"}})).notes


def test_the_package_holds_what_an_installation_needs(tmp_path: Path) -> None:
    import tarfile

    archive = Path(ask(do="package", to=str(tmp_path)))
    with tarfile.open(archive) as found:
        names = {name.partition("/")[2] for name in found.getnames()}
    assert {
        "values.schema.json",
        "README.md",
        "files/alerts.yaml",
        "files/events/keptn.json",
    } <= names
    assert not any(name.startswith("ci/") for name in names)


def test_the_variants_say_what_they_are_for() -> None:
    for file in CHART.glob("ci/*-values.yaml"):
        assert file.read_text("utf-8").startswith("# "), file.name
        assert YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
