"""Samples: every one is a valid event, and does what it is listed for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.cloudevent import decode
from subscriber.config import load_config
from subscriber.model import Action, Arrival, Envelope, Problem
from subscriber.rules import plan
from subscriber.service.rulebook import load_rules
from subscriber.service.samples import choose, fresh, samples

ALL = samples()
PLAIN = sorted({one.type for one in ALL if one.asks and one.is_plain and " " not in one.type})


def printed(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["sample", *arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.case.label)
def test_every_sample_is_an_event_of_its_type(one) -> None:
    now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    event_type, data = fresh(one.case, now=now)
    again = fresh(one.case, now=now)[1]
    (event,) = decode(Envelope(subject="", data=data))
    assert event.type == one.type == event_type
    assert event.occurred_at == now.timestamp()
    assert event.id != decode(Envelope(subject="", data=again))[0].id


@pytest.mark.parametrize("wanted", PLAIN)
def test_the_plainest_does_what_it_is_for(wanted: str) -> None:
    chosen = choose(wanted)
    assert chosen.is_plain
    config, document = load_config(f"packs: [{chosen.case.rule.split('/')[0]}]")
    rules = load_rules(config, document)
    (event,) = decode(Envelope(subject="", data=fresh(chosen.case)[1]))
    said = [t.intent.action for t in plan(rules, event, Arrival()) if t.intent is not None]
    off = chosen.case.rule not in {rule.name for rule in rules.rules}
    assert off or chosen.asks in said


@pytest.mark.parametrize(
    ("wanted", "label"),
    [
        ("sh.keptn.event.evaluation.finished", "keptn/evaluation/fail"),
        ("evaluation.finished", "keptn/evaluation/fail"),
        ("sh.keptn.event.eval*", "keptn/evaluation/fail"),
        ("dev.cdevents.incident.resolved", "cdevents/incident/resolved-0.3"),
        ("keptn/evaluation/aborted", "keptn/evaluation/aborted"),
    ],
)
def test_ways_to_name_one(wanted: str, label: str) -> None:
    assert choose(wanted).case.label == label


def test_pass_and_fail() -> None:
    def result(*arguments: str) -> str:
        return json.loads(printed("evaluation.finished", *arguments))["data"]["result"]

    assert (result(), result("--fail"), result("--pass")) == ("fail", "fail", "pass")
    assert choose("deployment.finished", Action.CHANGE).case.rule == "keptn/deployment-change"
    assert "ask for: change" in printed("dev.cdevents.service.deployed", "--pass", code=2)


def test_values_can_be_put_in() -> None:
    event = json.loads(
        printed(
            "evaluation.finished",
            *("--set", "data.stage=dev", "--set", "data.evaluation.score=7.5"),
            *("--set", r"data.labels.a\.b=x=y"),
        )
    )
    assert event["data"]["stage"] == "dev"
    assert event["data"]["evaluation"]["score"] == 7.5
    assert event["data"]["labels"]["a.b"] == "x=y"
    assert "no object" in printed("evaluation.finished", "--set", "id.x=1", code=2)
    assert "PATH=VALUE" in printed("evaluation.finished", "--set", "nothing", code=2)


def test_a_misspelling_is_told_the_nearest() -> None:
    assert "did you mean 'keptn/evaluation/fail'?" in printed("keptn/evaluation/fial", code=2)
    with pytest.raises(Problem, match="no sample"):
        choose("x" * 40)


def test_the_list() -> None:
    listed = json.loads(printed("--output", "json"))
    assert {one["case"] for one in listed} == {one.case.label for one in ALL}
    assert re.search(r"^sh\.keptn\.event\.evaluation\.finished +trigger, resolve", printed(), re.M)
    of_one = printed("evaluation.finished", "--list")
    assert re.search(r"^keptn/evaluation/pass +resolve", of_one, re.M)
    assert "deployment" not in of_one
