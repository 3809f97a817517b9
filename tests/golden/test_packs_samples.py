"""Real events against the shipped rules: a request or a reasoned skip, never a fault.

The recorded events are not part of the repository: they are looked for in SUBSCRIBER_SAMPLES, else
in `shared/samples` beside the repository.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packs_cases import ARRIVAL, event_of, request_body, rule_set

from subscriber.cloudevent import decode
from subscriber.model import Envelope, Event, Problem, Reason
from subscriber.rules import plan
from subscriber.simulator.validate import change_errors, event_errors

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("SUBSCRIBER_SAMPLES") or REPOSITORY.parent / "shared" / "samples")
FILES = sorted(
    path for folder in ("keptn", "cdevents", "other") for path in (SAMPLES / folder).rglob("*.json")
)

WITHOUT = {
    "keptn/remediation": "no sample of remediation.triggered or remediation.finished",
    **dict.fromkeys(
        ("tekton/pipelinerun", "tekton/taskrun", "tekton/customrun"),
        "the only recorded Tekton event is one of a run that goes on",
    ),
    "klt/workload": "only an app's event was recorded",
    **dict.fromkeys(
        (
            "argocd/deployment-change",
            "argocd/health",
            "argocd/sync",
            "argo-rollouts/deployment-change",
            "argo-rollouts/rollout",
        ),
        "these events are made by a template of docs/packs.md, which is tried by itself",
    ),
    "argo-events/workflow": "no event of a watched object was recorded",
}

if not FILES:
    pytest.skip("no recorded events here (set SUBSCRIBER_SAMPLES)", allow_module_level=True)


def readable(path: Path) -> Event | Problem:
    """The event, or what is wrong with the file; `_headers` are those of a binary message."""
    data, headers = path.read_bytes(), {}
    if b'"_headers"' in data:
        recorded = json.loads(data)
        data, headers = json.dumps(recorded["body"]).encode(), recorded["_headers"]
    try:
        if headers:
            return decode(Envelope(subject="x", data=data, headers=headers))[0]
        return event_of(data)
    except Problem as problem:
        return problem


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SAMPLES)))
def test_a_recorded_event_gives_a_request_or_a_reason(path: Path) -> None:
    event = readable(path)
    if isinstance(event, Problem):
        # Fragments of a test suite: their authors left out the id that CloudEvents requires.
        assert path.parent.name == "webhook_service_test_events", event
        assert event.reason in (Reason.MISSING_ATTRIBUTE, Reason.NOT_JSON), event
        return
    for trace in plan(rule_set(), event, ARRIVAL):
        assert trace.problem is None, f"{trace.rule}: {trace.problem}"
        if trace.intent is None:
            assert trace.detail, trace.rule
            continue
        api, body = request_body(trace.intent)
        document = {"routing_key": "a" * 32, **body}
        assert not (event_errors if api == "events" else change_errors)(document), trace.rule


@pytest.mark.parametrize("rule", sorted(rule.name for rule in rule_set().rules))
def test_recorded_events_reach_the_rule(rule: str) -> None:
    """A rule whose types match no recorded event may be misspelt."""
    if rule in WITHOUT:
        pytest.skip(WITHOUT[rule])
    wanted = next(r for r in rule_set().rules if r.name == rule)
    events = [readable(path) for path in FILES]
    assert any(wanted.concerns(event.type) for event in events if isinstance(event, Event))
