"""The notification templates of docs/packs.md, rendered as Argo CD and Argo Rollouts would.

Both render Go text/template with sprig, as our own engine does: what it makes of the ConfigMaps
must be a CloudEvent that the packs understand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packs_cases import event_of, request_body, rule_set, trace_of
from ruamel.yaml import YAML

from subscriber.model import Event
from subscriber.template import compile as compile_template

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "packs.md").read_text("utf-8")


def read_yaml(text: str) -> Any:
    """A YAML text as plain values."""
    return YAML(typ="safe", pure=True).load(text)


MAPS = {
    document["metadata"]["name"]: document["data"]
    for document in map(
        read_yaml, re.findall(r"^```yaml\n(apiVersion: v1\n.*?)^```", GUIDE, re.M | re.S)
    )
}
ARGOCD = MAPS["argocd-notifications-cm"]
ROLLOUTS = MAPS["argo-rollouts-notification-configmap"]
HOSTILE = 'He said "stop" \\ {{.app}} </script>\n\u2028\t🔥'


def told(config: dict[str, str], template: str, variables: dict[str, Any]) -> Event:
    """The event that a template makes."""
    message = read_yaml(config[f"template.{template}"])["message"]
    engine = compile_template(message, name=template, context="text", missing="default")
    return event_of(engine.render({**variables, "time": "2024-05-02T09:14:05Z"}).encode())


def application(
    health: str = "Healthy", phase: str = "Succeeded", message: str = "successfully synced"
) -> dict[str, Any]:
    """An application as the cluster has it, as far as anybody looks."""
    revision = "5f0c9d1b2a3e4f5061728394a5b6c7d8e9f00112"
    app = {
        "metadata": {
            "name": "checkout", "namespace": "argocd", "uid": "d5c0", "resourceVersion": "71234",
        },
        "spec": {
            "project": "webshop",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "production"},
            "source": {"repoURL": "https://git.example/webshop.git", "helm": {"values": "pw: x"}},
        },
        "status": {
            "health": {"status": health, "message": HOSTILE},
            "sync": {"status": "Synced", "revision": revision},
            "operationState": {
                "phase": phase,
                "message": message,
                "startedAt": "2024-05-02T09:10:00Z",
                "finishedAt": "2024-05-02T09:10:09Z",
                "operation": {"initiatedBy": {"automated": True}},
                "syncResult": {"revision": revision, "resources": [{"kind": "Deployment"}]},
            },
            "summary": {"images": ["ghcr.io/webshop/checkout:2.1.0"]},
        },
    }  # fmt: skip
    return {"app": app, "context": {"argocdUrl": "https://argocd.example"}}


def said(rule: str, event: Event) -> tuple[str, str]:
    """Action and summary; two empty texts for a skip."""
    trace = trace_of(rule, event)
    assert trace.problem is None
    if trace.intent is None:
        return "", ""
    return trace.intent.action.value, request_body(trace.intent)[1]["payload"]["summary"]


@pytest.mark.parametrize(
    ("variables", "health", "sync"),
    [
        (application(), "resolve", "resolve"),
        (application(health="Degraded"), "trigger", "resolve"),
        (application(phase="Failed", message=HOSTILE), "resolve", "trigger"),
        (application(phase="Error"), "resolve", "trigger"),
        (application(phase="Failed", message="Operation terminated"), "resolve", ""),
        (application(health="Progressing", phase="Running"), "", ""),
    ],
)
def test_the_state_of_an_application(variables: dict[str, Any], health: str, sync: str) -> None:
    event = told(ARGOCD, "pagerduty-state", variables)
    assert event.subject == "argocd/checkout"
    assert said("argocd/health", event)[0] == health
    assert said("argocd/sync", event)[0] == sync
    assert said("argocd/deployment-change", event) == ("", "") or event.type.endswith("deployed")


def test_values_of_a_chart_are_not_told() -> None:
    assert "pw: x" not in json.dumps(told(ARGOCD, "pagerduty-state", application()).document())


def test_a_deployed_revision() -> None:
    event = told(ARGOCD, "pagerduty-deployed", application())
    summary = "checkout (5f0c9d1b2a) deployed to production by Argo CD"
    assert said("argocd/deployment-change", event) == ("change", summary)
    assert said("argocd/health", event)[0] == "resolve"
    assert said("argocd/sync", event)[0] == "resolve"


@pytest.mark.parametrize("template", ["pagerduty-state", "pagerduty-deployed"])
def test_a_new_application_has_hardly_any_state(template: str) -> None:
    variables = application()
    variables["app"]["status"] = {"health": {"status": "Missing"}}
    event = told(ARGOCD, template, variables)
    assert said("argocd/health", event) == ("", "")
    assert said("argocd/sync", event) == ("", "")


ROLLOUT = {
    "rollout": {
        "metadata": {
            "name": "checkout",
            "namespace": "production",
            "uid": "a1b2",
            "resourceVersion": "99",
            "annotations": {"rollout.argoproj.io/revision": "7"},
            "labels": {"team": HOSTILE},
        },
        "spec": {
            "strategy": {"canary": {}},
            "template": {"spec": {"containers": [{"image": "a:1"}, {"image": "b:2"}]}},
        },
        "status": {"message": 'RolloutAborted: metric "x" assessed Failed'},
    }
}


@pytest.mark.parametrize(
    ("trigger", "action", "summary"),
    [
        ("rollout-aborted", "trigger", 'aborted: RolloutAborted: metric "x" assessed Failed'),
        ("rollout-completed", "resolve", "completed"),
        ("analysis-run-failed", "trigger", "failed its analysis"),
        ("analysis-run-error", "trigger", "could not be analysed"),
        ("analysis-run-inconclusive", "trigger", "gave no verdict"),
    ],
)
def test_what_happens_to_a_rollout(trigger: str, action: str, summary: str) -> None:
    event = told(ROLLOUTS, f"pagerduty-{trigger}", ROLLOUT)
    told_action, told_summary = said("argo-rollouts/rollout", event)
    assert told_action == action
    assert "checkout, revision 7, in production" in told_summary
    assert summary in told_summary
    changes = said("argo-rollouts/deployment-change", event)[0] == "change"
    assert changes == trigger.startswith("rollout-")


@pytest.mark.parametrize("config", [ARGOCD, ROLLOUTS], ids=["argocd", "argo-rollouts"])
def test_triggers_and_templates_belong_together(config: dict[str, str]) -> None:
    sent = {
        name
        for key, text in config.items()
        if key.startswith("trigger.")
        for condition in read_yaml(text)
        for name in condition["send"]
    }
    assert sent == {key.removeprefix("template.") for key in config if key.startswith("template.")}
    triggers = {key.removeprefix("trigger.") for key in config if key.startswith("trigger.")}
    subscribed = read_yaml(config["subscriptions"])
    assert {name for entry in subscribed for name in entry["triggers"]} == triggers


def test_a_minimal_rollout() -> None:
    variables = {
        "rollout": {
            "metadata": {"name": "r", "namespace": "n", "uid": "u", "resourceVersion": "1"},
            "spec": {"strategy": {"blueGreen": {}}, "workloadRef": {"name": "d"}},
        }
    }
    event = told(ROLLOUTS, "pagerduty-rollout-aborted", variables)
    assert said("argo-rollouts/rollout", event) == ("trigger", "Rollout of r in n was aborted")


def test_every_type_that_a_template_makes_is_one_of_a_rule() -> None:
    for config, variables in ((ARGOCD, application()), (ROLLOUTS, ROLLOUT)):
        for key in config:
            if key.startswith("template."):
                event = told(config, key.removeprefix("template."), variables)
                concerned = [rule.name for rule in rule_set().rules if rule.concerns(event.type)]
                assert [name for name in concerned if not name.startswith("generic/")], key
