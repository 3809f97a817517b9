"""The events of the benchmarks, and what PagerDuty must be told of each.

Rules: an event is 2 KB, a Keptn CloudEvent in structured mode, its subject is its type (as Keptn's
own distributor publishes). All events are made from their number alone, so that every contestant
gets the same ones and the proof can be worked out beside them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

SUBJECTS = "sh.keptn.>"
WANTED = "sh.keptn.event.evaluation.finished"
OTHERS = tuple(
    f"sh.keptn.event.{task}.{phase}"
    for task in ("build", "deployment", "test", "release", "monitoring", "approval", "get-sli")
    for phase in ("triggered", "started", "finished")
)
SIZE = 2048
ROUTING_KEY = "b" * 32
SOURCE = "https://keptn.example/lighthouse-service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One event.

    Attributes:
        number: unique in its run; the id is made of it.
        key: number of the dedup key.
        result: `fail` (a trigger) or `pass` (a resolve).
        type: its CloudEvents type and subject.
    """

    number: int
    key: int
    result: str = "fail"
    type: str = WANTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What matters in a POST, the same for every contestant."""

    dedup_key: str
    action: str
    payload: str


def dedup_key(key: int) -> str:
    """The dedup key with a number."""
    return f"sockshop/staging/service-{key}"


_INDICATORS = [
    {
        "value": {"metric": f"response_time_p{percent}", "value": percent * 7.25, "success": True},
        "status": "fail" if percent > 95 else "pass",
        "score": 1,
        "targets": [{"criteria": f"<={percent * 10}", "targetValue": percent * 10}],
    }
    for percent in (50, 75, 90, 95, 99)
]

_STARTED = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def encode(spec: Spec) -> bytes:
    """The event as it is published: exactly SIZE bytes."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"bench-{spec.number}",
        "source": SOURCE,
        "type": spec.type,
        "time": _STARTED,
        "datacontenttype": "application/json",
        "shkeptncontext": f"a3e5f16d-8888-4720-82c7-{spec.number:012d}",
        "data": {
            "project": "sockshop",
            "stage": "staging",
            "service": f"service-{spec.key}",
            "status": "succeeded",
            "result": spec.result,
            "message": 'the response time is "too high"; see the dashboard',
            "labels": {"build": f"1.{spec.number}", "owner": "team-a", "note": ""},
            "evaluation": {
                "score": 42.5,
                "result": spec.result,
                "timeStart": "2024-05-06T07:00:00Z",
                "timeEnd": "2024-05-06T07:05:00Z",
                "indicatorResults": _INDICATORS,
            },
        },
    }
    text = json.dumps(document, separators=(",", ":"))
    padding = "n" * (SIZE - len(text))
    return text.replace('"note":""', f'"note":"{padding}"', 1).encode()


def expected(spec: Spec) -> Said:
    """What must be said of a wanted event."""
    payload = {
        "summary": f"Evaluation of service-{spec.key} in staging: {spec.result}",
        "severity": "critical" if spec.result == "fail" else "info",
        "source": SOURCE,
        "custom_details": {
            "message": 'the response time is "too high"; see the dashboard',
            "score": 42.5,
            "from": "2024-05-06T07:00:00Z",
            "to": "2024-05-06T07:05:00Z",
            "build": f"1.{spec.number}",
            "context": f"a3e5f16d-8888-4720-82c7-{spec.number:012d}",
        },
    }
    return Said(
        dedup_key=dedup_key(spec.key),
        action="trigger" if spec.result == "fail" else "resolve",
        payload=_canonical(payload),
    )


def heard(body: bytes) -> Said:
    """What a POST says.

    Raises:
        ValueError, KeyError, TypeError: it is none of ours.
    """
    document = json.loads(body)
    if document["routing_key"] != ROUTING_KEY:
        raise ValueError("a foreign routing key")
    payload = document.get("payload") or {}
    names = ("summary", "severity", "source", "custom_details")
    return Said(
        dedup_key=document["dedup_key"],
        action=document["event_action"],
        payload=_canonical({name: payload.get(name) for name in names}),
    )


def _canonical(payload: dict[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)


# -- the sets of events ---------------------------------------------------------------------------


def stream_past(count: int, every: int = 100) -> list[Spec]:
    """A pipeline's events, of which one in `every` is wanted."""
    return [
        Spec(number=n, key=n, type=WANTED if n % every == 0 else OTHERS[n % len(OTHERS)])
        for n in range(count)
    ]


def all_wanted(count: int, first: int = 0) -> list[Spec]:
    """Events that all match, each with a key of its own."""
    return [Spec(number=n, key=n) for n in range(first, first + count)]


def outage(count: int, keys: int) -> list[Spec]:
    """What piled up: every key fails and passes in turn; in the end half of them have failed."""
    return [
        Spec(number=n, key=n % keys, result="fail" if (n // keys + n) % 2 == 0 else "pass")
        for n in range(count)
    ]


def final_words(specs: list[Spec]) -> dict[str, Said]:
    """Dedup key -> what must have been said of it last.

    The words of a resolve are left out: said of an earlier event, it has closed the alert as well.
    """
    words = {dedup_key(spec.key): expected(spec) for spec in specs}
    return {key: wordless(said) for key, said in words.items()}


def wordless(said: Said) -> Said:
    """A resolve without its words; anything else as it is."""
    return replace(said, payload="") if said.action == "resolve" else said
