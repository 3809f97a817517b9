"""Events in the shape of PagerDuty's documentation, with keys of our own."""

from __future__ import annotations

import json
from typing import Any

KEY = "aaaabbbbccccddddeeeeffff00001111"
OTHER = "9999888877776666555544443333222a"
RULESET = "R0123456789ABCDEFGHIJKLMNOPQRSTU"

Body = dict[str, Any]


def event(action: str = "trigger", dedup_key: str | None = "web/dev", **members: Any) -> Body:
    body: Body = {
        "routing_key": KEY,
        "event_action": action,
        "payload": {
            "summary": "web failed in dev",
            "source": "keptn/web",
            "severity": "critical",
            "timestamp": "2026-01-02T03:04:05.678+0000",
            "component": "web",
            "group": "dev",
            "class": "evaluation",
            "custom_details": {"score": 12.5, "failed": ["response_time_p95"]},
        },
        "client": "bridge",
        "client_url": "https://bridge.example/1",
        "links": [{"href": "https://bridge.example/1", "text": "run"}],
        "images": [
            {"src": "https://charts.example/1.png", "href": "https://x.example", "alt": "c"}
        ],
    }
    if dedup_key is not None:
        body["dedup_key"] = dedup_key
    body.update(members)
    return body


def change(**members: Any) -> Body:
    body: Body = {
        "routing_key": KEY,
        "payload": {
            "summary": "web 1.2.3 went to dev",
            "source": "keptn/web",
            "timestamp": "2026-01-02T03:04:05Z",
            "custom_details": {"image": "web:1.2.3"},
        },
        "links": [{"href": "https://bridge.example/1"}],
    }
    body.update(members)
    return body


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def without(body: Body, path: str) -> Body:
    """A copy without the member at a dotted path."""
    copy: Body = json.loads(json.dumps(body))
    *parents, last = path.split(".")
    target = copy
    for name in parents:
        target = target[name]
    del target[last]
    return copy


def with_value(body: Body, path: str, value: Any) -> Body:
    """A copy with the member at a dotted path set."""
    copy: Body = json.loads(json.dumps(body))
    *parents, last = path.split(".")
    target = copy
    for name in parents:
        target = target[name]
    target[last] = value
    return copy


class Clock:
    """Time that only a test moves."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
