"""From an event and rules to intents, and to the reasons for none."""

from typing import Any

import pytest

from subscriber.config import ConfigError, RuleSpec, load_config
from subscriber.model import Action, Arrival, Event, Intent, Position, Reason
from subscriber.rules import RuleSet, RuleSource, Trace, compile_rules, explain, plan

ARRIVAL = Arrival(epoch=7, sequence=42, received_at=1_700_000_000.0)
EVENT = Event(
    id="1",
    source="helm",
    type="sh.keptn.event.evaluation.finished",
    time="2024-05-01T10:00:00Z",
    occurred_at=1_714_557_600.0,
    extensions={"shkeptncontext": "c"},
    data={"result": "fail", "score": 42.5, "n": 3, "stage": "prod", "labels": None},
)
BODY = {"summary": "{{.data.stage}} {{.data.result}}", "severity": "critical"}


def source(**fields: Any) -> RuleSource:
    base = {"name": "r", "types": ["*"], "action": "trigger", "dedup_key": "k", "body": BODY}
    text = fields.pop("body_text", None)
    spec = RuleSpec.model_validate({k: v for k, v in {**base, **fields}.items() if v is not None})
    return RuleSource(spec=spec, body_text=text, body_name="body.json.tmpl")


def rules(*sources: RuleSource, services: tuple[str, ...] = ("default", "team-b")) -> RuleSet:
    return compile_rules(sources, services, client="us")


def one(event: Event = EVENT, **fields: Any) -> Trace:
    (trace,) = plan(rules(source(**fields)), event, ARRIVAL)
    return trace


def intent(event: Event = EVENT, **fields: Any) -> Intent:
    trace = one(event, **fields)
    assert trace.problem is None, trace.problem
    assert trace.intent is not None, trace
    return trace.intent


def test_an_intent_carries_everything_the_rule_and_the_event_say() -> None:
    assert intent(dedup_key="{{.data.stage}}/x") == Intent(
        action=Action.TRIGGER,
        service="default",
        dedup_key="prod/x",
        payload={
            "summary": "prod fail",
            "source": "helm",
            "severity": "critical",
            "timestamp": "2024-05-01T10:00:00.000+0000",
        },
        client="us",
        rule="r",
        event_id="1",
        event_source="helm",
        event_type="sh.keptn.event.evaluation.finished",
        occurred_at=1_714_557_600.0,
        position=Position(epoch=7, sequence=42, index=0),
    )


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("trigger", Action.TRIGGER),
        (" Resolve\n", Action.RESOLVE),
        ("acknowledge", Action.ACKNOWLEDGE),
        ('{{if eq .data.result "fail"}}trigger{{else}}resolve{{end}}', Action.TRIGGER),
    ],
)
def test_the_action_is_rendered(action: str, expected: Action) -> None:
    assert intent(action=action).action is expected


@pytest.mark.parametrize("action", ["", "  ", "{{if false}}trigger{{end}}"])
def test_an_empty_action_means_nothing_to_say(action: str) -> None:
    trace = one(action=action)
    assert (trace.reason, trace.intent, trace.problem) == (Reason.ACTION_EMPTY, None, None)


def test_without_an_action_the_body_decides() -> None:
    assert intent(action=None, body={**BODY, "event_action": "acknowledge"}).action is (
        Action.ACKNOWLEDGE
    )
    assert intent(action=None).action is Action.TRIGGER


def test_what_the_rule_says_wins_over_the_body() -> None:
    body = {"payload": BODY, "event_action": "resolve", "dedup_key": "of-the-body"}
    said = intent(body=body, dedup_key="of-the-rule")
    assert (said.action, said.dedup_key) == (Action.TRIGGER, "of-the-rule")
    assert intent(body=body, dedup_key=None).dedup_key == "of-the-body"


def test_inline_values_keep_their_type() -> None:
    details = {
        "score": "{{.data.score}}",
        "n": "{{.data.n}}",
        "labels": "{{.data.labels}}",
        "text": "n={{.data.n}}",
        "plain": 5,
        "list": ["{{.data.stage}}", True],
    }
    payload = intent(body={**BODY, "custom_details": details}).payload
    assert payload is not None
    assert payload["custom_details"] == {
        "score": 42.5,
        "n": 3,
        "labels": None,
        "text": "n=3",
        "plain": 5,
        "list": ["prod", True],
    }


def test_the_inline_body_is_laid_over_the_file() -> None:
    text = '{"payload": {"summary": "s", "severity": "info", "custom_details": {"a": 1, "b": 2}}}'
    for over in (
        {"severity": "error", "custom_details": {"b": "{{.data.n}}"}},
        {"payload": {"severity": "error", "custom_details": {"b": "{{.data.n}}"}}},
    ):
        payload = intent(body_text=text, body=over).payload
        assert payload is not None
        assert payload["severity"] == "error"
        assert payload["custom_details"] == {"a": 1, "b": 3}
        assert payload["summary"] == "s"


def test_client_and_links_beside_the_payload_are_kept() -> None:
    text = (
        '{"payload": {"summary": "s", "severity": "info"}, "client": "mine",'
        ' "links": [{"href": "https://x.example/{{.data.stage}}", "text": "t"}]}'
    )
    said = intent(body_text=text, body=None)
    assert said.client == "mine"
    assert said.links == ({"href": "https://x.example/prod", "text": "t"},)


def test_a_change_event_has_no_key() -> None:
    said = intent(action="change", dedup_key=None, body={"summary": "deployed"})
    assert (said.action, said.dedup_key, said.client) == (Action.CHANGE, "", "")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"types": ["sh.keptn.event.test.*"]}, Reason.TYPE_DIFFERS),
        ({"match": {"data.result": "pass"}}, Reason.VALUE_DIFFERS),
        ({"match": {"data.result": ["fail"], "data.stage": ["dev"]}}, Reason.VALUE_DIFFERS),
        ({"when": "gt .data.score 50.0"}, Reason.CONDITION_FALSE),
        ({"when": "{{ gt .data.score 50.0 }}"}, Reason.CONDITION_FALSE),
        (
            {
                "when": "data.score > 50",
                "dialect": "jinja",
                "body": {"summary": "{{ data.stage }}", "severity": "info"},
            },
            Reason.CONDITION_FALSE,
        ),
        ({"action": ""}, Reason.ACTION_EMPTY),
        ({"match": {"data.result": ["fail", "x"]}, "when": "lt .data.score 50.0"}, Reason.MATCHED),
    ],
)
def test_explain_names_the_reason_plan_walks_the_same_way(
    fields: dict[str, Any], reason: Reason
) -> None:
    ready = rules(source(**fields))
    (explained,) = explain(ready, EVENT, ARRIVAL)
    assert explained.reason is reason
    planned = plan(ready, EVENT, ARRIVAL)
    assert planned == (() if reason is Reason.TYPE_DIFFERS else (explained,))


def test_several_rules_get_places_of_their_own() -> None:
    ready = rules(source(name="a"), source(name="b"), source(name="off", enabled=False))
    second = Event(id="2", source="s", type="t", data=EVENT.data, index=1)
    places = [
        trace.intent.position.index
        for event in (EVENT, second)
        for trace in plan(ready, event, ARRIVAL)
        if trace.intent
    ]
    assert places == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"action": "page"}, Reason.INVALID_ACTION),
        ({"action": "{{.data.stage}}"}, Reason.INVALID_ACTION),
        ({"action": "{{.data.nope}}"}, Reason.RENDER_FAILED),
        ({"when": "gt .data.nope 3"}, Reason.RENDER_FAILED),
    ],
)
def test_an_event_whose_wish_is_unknown_is_a_problem(
    fields: dict[str, Any], reason: Reason
) -> None:
    if fields.get("action") == "page":
        with pytest.raises(ConfigError, match="unknown action 'page'"):
            one(**fields)
        return
    trace = one(**fields)
    assert trace.problem is not None
    assert (trace.reason, trace.problem.reason, trace.intent) == (reason, reason, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"body": {"summary": "{{.data.nope}}", "severity": "info"}}, Reason.RENDER_FAILED),
        ({"body": {"summary": "s", "severity": "{{.data.stage}}"}}, Reason.INVALID_BODY),
        ({"body": {"severity": "info"}}, Reason.INVALID_BODY),
        ({"dedup_key": "{{.data.nope}}"}, Reason.RENDER_FAILED),
        ({"dedup_key": "{{if false}}x{{end}}"}, Reason.MISSING_DEDUP_KEY),
        ({"service": "{{.data.stage}}"}, Reason.UNKNOWN_SERVICE),
    ],
)
class TestAPageSurvivesABrokenTemplate:
    def test_a_plain_page_goes_out(self, fields: dict[str, Any], reason: Reason) -> None:
        trace = one(**fields)
        assert trace.problem is not None
        assert trace.problem.reason is reason
        page = trace.intent
        assert page is not None
        assert (page.action, page.service) == (Action.TRIGGER, "default")
        assert page.dedup_key == ("k" if "dedup_key" not in fields else "r/helm")
        assert page.payload is not None
        assert str(page.payload["summary"]).startswith("r: sh.keptn.event.evaluation.finished want")
        details = page.payload["custom_details"]
        assert isinstance(details, dict)
        assert details["event"] == EVENT.document()

    def test_unless_the_rule_wants_a_dead_letter(
        self, fields: dict[str, Any], reason: Reason
    ) -> None:
        trace = one(**fields, on_render_error="dead-letter")
        assert trace.intent is None
        assert trace.problem is not None

    def test_nothing_is_made_up_without_a_service(
        self, fields: dict[str, Any], reason: Reason
    ) -> None:
        spec = {"service": "team-b", **fields}
        if "service" in fields:
            ready = rules(source(**spec), services=("team-b",))
            (trace,) = plan(ready, EVENT, ARRIVAL)
            assert trace.intent is None
            assert trace.problem is not None
        else:
            trace = one(**spec)
            assert trace.intent is not None
            assert trace.intent.service == "team-b"


def test_a_resolve_goes_out_bare_when_its_body_cannot_be_rendered() -> None:
    said = intent(action="resolve", body={"summary": "{{.data.nope}}", "severity": "info"})
    assert said.payload is None
    assert said.notes[0].startswith("sent without a payload: ")


def test_a_resolve_goes_out_bare_when_its_body_turns_out_to_name_a_routing_key() -> None:
    text = '{"summary": "s", "severity": "info", "routing{{""}}_key": "x"}'
    said = intent(action="resolve", body_text=text, body=None)
    assert said.payload is None
    assert said.notes[0].startswith("sent without a payload: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"body": {"routing_key": "x"}}, "a routing_key does not belong into a body"),
        ({"body": {"payload": {"routing_key": 1}}}, "a routing_key does not belong into a body"),
        ({"body_text": '{"routing_key": your-key}'}, "a routing_key does not belong into a body"),
        ({"service": "tem-b"}, "unknown service 'tem-b'"),
        ({"action": "triger"}, "unknown action 'triger'"),
        ({"types": None, "use": "x"}, "the rule says no event types"),
        ({"action": None, "body": None}, "the rule says no action"),
    ],
)
def test_what_can_be_known_at_start_is_refused_at_start(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        rules(source(**fields))


def test_the_nearest_spelling_is_offered() -> None:
    with pytest.raises(ConfigError) as caught:
        rules(source(service="tem-b"))
    assert caught.value.problems[0].hint == "did you mean 'team-b'?"


def test_a_broken_inline_template_points_into_the_file() -> None:
    text = "rules:\n  - name: r\n    types: t\n    action: trigger\n    dedup_key: '{{.data.x'\n"
    config, document = load_config(text)
    spec = config.rules[0]
    origin = (document, ("rules", 0), frozenset(spec.model_fields_set))
    with pytest.raises(ConfigError) as caught:
        rules(RuleSource(spec=spec, origins=(origin,)))
    assert str(caught.value).startswith("subscriber.yaml:5:16: rule 'r', dedup_key (line 1, ")


def test_two_rules_may_not_share_a_name() -> None:
    with pytest.raises(ConfigError, match="a rule called 'r' exists already"):
        rules(source(), source())
