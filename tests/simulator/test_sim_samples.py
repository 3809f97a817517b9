"""Requests and answers in PagerDuty's own published examples, where the samples are at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sim_bodies import KEY, change, encoded, event

from subscriber.simulator import Api, Effect, SimulatorConfig, StandIn, parse_fault
from subscriber.simulator.answer import Answer

_ROOT = Path(
    os.environ.get("SUBSCRIBER_SAMPLES")
    or Path(__file__).resolve().parents[3] / "shared" / "samples"
)
SAMPLES = _ROOT / "pagerduty_webhooks" / "events_api"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples in {SAMPLES}")


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_example_requests_live_a_life() -> None:
    stand_in = StandIn()
    for action, effect in [
        ("trigger", Effect.OPENED),
        ("acknowledge", Effect.ACKNOWLEDGED),
        ("resolve", Effect.RESOLVED),
    ]:
        raw = (SAMPLES / f"{action}.request.json").read_bytes()
        ruling = stand_in.receive(Api.EVENTS, raw, 0.0)
        assert (ruling.answer.status, ruling.call.effect) == (202, effect)


def answer(api: Api, body: bytes, config: SimulatorConfig | None = None) -> Answer:
    return StandIn(config).receive(api, body, 0.0).answer


def test_example_answers_are_ours() -> None:
    given = answer(Api.EVENTS, encoded(event(dedup_key="srv01/HTTP")))
    assert (given.status, json.loads(given.body)) == (202, sample("202.response.json"))
    given = answer(Api.CHANGES, encoded(change()))
    assert (given.status, json.loads(given.body)) == (202, sample("change.202.response.json"))
    given = answer(Api.EVENTS, b"{")
    assert (given.status, json.loads(given.body)) == (400, sample("400_badjson.response.json"))
    given = answer(Api.EVENTS, encoded(event(routing_key="short", event_action=None)))
    assert (given.status, json.loads(given.body)) == (400, sample("400_invalid.response.json"))
    unknown = SimulatorConfig(known_keys=frozenset({"f" * 32}))
    given = answer(Api.EVENTS, encoded(event(routing_key=KEY)), unknown)
    text = (SAMPLES / "400_unknown_routing_key.response.txt").read_bytes()
    assert (given.status, given.body) == (400, text.rstrip())
    for config in (
        SimulatorConfig(rate_limit=0),
        SimulatorConfig(faults=(parse_fault("429"),)),
    ):
        given = answer(Api.EVENTS, encoded(event()), config)
        assert (given.status, json.loads(given.body)) == (429, sample("429.response.json"))
