"""Keptn webhooks become rules that do the same, and say what they do not."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from subscriber.cli.app import app
from subscriber.cloudevent import decode
from subscriber.config import curl
from subscriber.config.keptn_webhook import load_webhooks
from subscriber.config.looseobject import replaced, take_apart
from subscriber.config.webhook_drafts import Drafts, NoteKind
from subscriber.config.webhook_rules import drafted
from subscriber.config.webhook_text import written
from subscriber.model import Arrival, Envelope, Problem
from subscriber.rules import plan
from subscriber.service.keyless import keyless
from subscriber.service.rulebook import load_rules
from subscriber.service.samples import choose, fresh

EVENTS = "https://events.pagerduty.com/v2/enqueue"
TYPE = "sh.keptn.event.evaluation.finished"
REAL = "0123456789abcdefABCDEF9876543210"
BODY = """{
  "payload": {
    "summary": "Evaluation: {{.data.result}}",
    "timestamp": "{{.time}}",
    "severity": "warning",
    "source": "https://keptn.example/bridge",
    "component": "qa"
  },
  "routing_key": KEY,
  "dedup_key": "srv01/qa",
  "event_action": "trigger",
  "client": "Keptn"
}"""


def body(key: str = '"{{.env.secret_pd}}"', **members: str | None) -> str:
    text = BODY.replace("KEY", key)
    for name, value in members.items():
        lines = [line for line in text.splitlines() if f'"{name}"' not in line]
        if value is not None:
            lines.insert(-1, f'  , "{name}": {value}')
        text = "\n".join(lines)
    return text


def alpha(*commands: str, type: str = TYPE, **fields: object) -> str:
    webhook = {"type": type, "subscriptionID": "sub-1", "requests": list(commands), **fields}
    return json.dumps(
        {"apiVersion": "webhookconfig.keptn.sh/v1alpha1", "spec": {"webhooks": [webhook]}}
    )


def beta(*requests: dict[str, object], **fields: object) -> str:
    text = json.loads(alpha(**fields))  # type: ignore[arg-type]
    text["apiVersion"] = "webhookconfig.keptn.sh/v1beta1"
    text["spec"]["webhooks"][0]["requests"] = list(requests)
    return json.dumps(text)


def command(data: str, url: str = EVENTS, options: str = "") -> str:
    header = "--header 'content-type: application/json'"
    return f"curl --request POST {header} {options} --data '{data}' {url}"


def structured(data: str, url: str = EVENTS, options: str = "") -> dict[str, object]:
    headers = [{"key": "Content-Type", "value": "application/json"}]
    return {"url": url, "method": "POST", "headers": headers, "payload": data, "options": options}


def imported(text: str, *, resolve: bool = False, **filters: str) -> Drafts:
    return drafted(load_webhooks(text, name="webhook.yaml"), filters=filters, resolve=resolve)


def said(drafts: Drafts, kind: NoteKind) -> str:
    return "\n".join(f"{note.text} | {note.hint}" for note in drafts.notes if note.kind is kind)


def running(drafts: Drafts, folder: Path):
    """The rules as the service would load them."""
    for rule in drafts.rules:
        (folder / rule.body_file).write_text(rule.body)
    from subscriber.config import load_config

    config, document = load_config(written(drafts, source="webhook.yaml"))
    return load_rules(config, document, folder=folder)


def request(drafts: Drafts, folder: Path, case: str) -> dict[str, object] | None:
    (event,) = decode(Envelope(subject="", data=fresh(choose(case).case)[1]))
    (trace,) = plan(running(drafts, folder), event, Arrival())
    assert trace.problem is None, trace
    return None if trace.intent is None else keyless(trace.intent).body


# -- the whole way --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [alpha(command(body())), beta(structured(body()))])
def test_a_webhook_does_the_same_as_a_rule(text: str, tmp_path: Path) -> None:
    drafts = imported(text)
    sent = request(drafts, tmp_path, "keptn/evaluation/fail")
    assert sent is not None
    timestamp = sent["payload"].pop("timestamp")  # type: ignore[attr-defined]
    assert timestamp.startswith("20")
    assert sent == {
        "event_action": "trigger",
        "dedup_key": "srv01/qa",
        "client": "Keptn",
        "payload": {
            "summary": "Evaluation: fail",
            "severity": "warning",
            "source": "https://keptn.example/bridge",
            "component": "qa",
        },
    }
    assert "whatever the result is" in said(drafts, NoteKind.WARNING)
    assert "always 'srv01/qa'" in said(drafts, NoteKind.WARNING)
    after = request(drafts, tmp_path, "keptn/evaluation/pass")  # as Keptn did
    assert after is not None
    assert after["event_action"] == "trigger"


def test_the_missing_half_can_be_had(tmp_path: Path) -> None:
    drafts = imported(alpha(command(body())), resolve=True)
    actions = {
        case: (request(drafts, tmp_path, f"keptn/evaluation/{case}") or {}).get("event_action")
        for case in ("fail", "warning", "pass")
    }
    assert actions == {"fail": "trigger", "warning": "trigger", "pass": "resolve"}


def test_what_is_offered_is_right_when_uncommented(tmp_path: Path) -> None:
    drafts = imported(alpha(command(body())))
    text = written(drafts, source="webhook.yaml")
    lines = text.splitlines()
    for name in ("action", "dedup_key"):
        lines = [line for line in lines if not line.startswith(f"    {name}:")]
        lines = [line.replace(f"    # {name}:", f"    {name}:") for line in lines]
    from subscriber.config import load_config

    (tmp_path / drafts.rules[0].body_file).write_text(drafts.rules[0].body)
    config, document = load_config("\n".join(lines))
    rules = load_rules(config, document, folder=tmp_path)
    (event,) = decode(Envelope(subject="", data=fresh(choose("keptn/evaluation/pass").case)[1]))
    (trace,) = plan(rules, event, Arrival())
    assert trace.intent is not None
    assert trace.intent.action.value == "resolve"
    assert trace.intent.dedup_key == "webshop/production/checkout/evaluation"


def test_a_pair_needs_no_offer() -> None:
    closing = body(event_action='"resolve"')
    drafts = imported(alpha(command(body()), command(closing)))
    assert [rule.action for rule in drafts.rules] == ["trigger", "resolve"]
    assert [rule.name for rule in drafts.rules] == ["evaluation-finished", "evaluation-finished-2"]
    assert len(drafts.services) == 1
    assert "whatever the result" not in said(drafts, NoteKind.WARNING)


def test_filters_and_wildcards(tmp_path: Path) -> None:
    text = alpha(command(body()), type="sh.keptn.event.*.finished")
    drafts = imported(text, stage="production", service="carts")
    assert request(drafts, tmp_path, "keptn/evaluation/fail") is None
    drafts = imported(text, stage="production")
    assert request(drafts, tmp_path, "keptn/deployment/fail") is not None
    assert drafts.rules[0].name == "any-finished"


def test_the_page_shows_what_comes_out() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "from-keptn.md"
    shown = page.read_text().split("```yaml\n")[1].split("```")[0]
    data = body('"{{.env.secret_pagerduty_key}}"').replace("srv01/qa", "webshop/qa")
    reference = {"name": "pagerduty", "key": "routing-key"}
    webhook = json.loads(
        alpha(
            command(data),
            subscriptionID="5a1f3f0e-5d3f-4c1c-9a2e-31a9a1bb7a51",
            envFrom=[{"name": "secret_pagerduty_key", "secretRef": reference}],
        )
    )
    made = written(imported(json.dumps(webhook), stage="qa"), source="webhook.yaml")
    made = re.sub(r"webhook\.yaml:\d+:\d+", "webhook.yaml:14:11", made)
    assert shown == made[made.index("\npacks:") + 1 :]


# -- routing keys ---------------------------------------------------------------------------------

ENV = [{"name": "secret_pd", "secretRef": {"name": "pager-duty", "key": "int.key"}}]


@pytest.mark.parametrize(
    ("key", "fields", "service", "variable", "todo"),
    [
        ('"{{.env.secret_pd}}"', {"envFrom": ENV}, "pager-duty", "PAGER_DUTY_INT_KEY", "int.key"),
        ('"{{ .env.secret_pd }}"', {}, "secret-pd", "SECRET_PD", ".env.secret_pd"),
        ("{{.env.secret_pd}}", {"envFrom": ENV}, "pager-duty", "PAGER_DUTY_INT_KEY", "int.key"),
        ('"{{.secret.pd.key-1}}"', {}, "pd", "PD_KEY_1", "secret pd, key key-1"),
        (f'"{REAL}"', {}, "default", "PAGERDUTY_ROUTING_KEY", "in clear"),
        (REAL, {}, "default", "PAGERDUTY_ROUTING_KEY", "in clear"),
        ("your-integration-key", {}, "default", "PAGERDUTY_ROUTING_KEY", "integration key"),
        ('"{{.data.labels.key}}"', {}, "default", "PAGERDUTY_ROUTING_KEY", "comes from the event"),
    ],
)
def test_a_routing_key_becomes_a_service(
    key: str,
    fields: dict[str, object],
    service: str,
    variable: str,
    todo: str,
    tmp_path: Path,
) -> None:
    drafts = imported(alpha(command(body(key)), **fields))
    (made,) = drafts.services
    assert (made.name, made.variable) == (service, variable)
    assert todo in said(drafts, NoteKind.TODO)
    everything = written(drafts, source="w") + drafts.rules[0].body + repr(drafts)
    assert REAL not in everything
    assert "routing_key" not in drafts.rules[0].body
    assert list(running(drafts, tmp_path).services) == [service]


def test_a_key_in_a_header_and_the_european_region() -> None:
    data = body("null").replace('  "routing_key": null,\n', "")
    text = alpha(
        command(data, EVENTS.replace("events.", "events.eu."), f"-H 'X-Routing-Key: {REAL}'")
    )
    drafts = imported(text)
    assert drafts.services[0].region == "eu"
    assert "in clear" in said(drafts, NoteKind.TODO)
    assert REAL not in repr(drafts)


def test_each_secret_is_a_service_of_its_own() -> None:
    text = alpha(
        *(command(body(key)) for key in ('"{{.secret.a.k}}"', '"{{.secret.b.k}}"')),
        *(command(body(key)) for key in ('"{{.secret.a.k}}"', f'"{REAL}"', '"plain"')),
    )
    drafts = imported(text)
    assert [(one.name, one.variable) for one in drafts.services] == [
        ("a", "A_K"),
        ("b", "B_K"),
        ("default", "PAGERDUTY_ROUTING_KEY"),
        ("default-2", "PAGERDUTY_ROUTING_KEY_2"),
    ]
    assert [rule.service for rule in drafts.rules] == ["a", "b", "a", "default", "default-2"]


# -- what is not carried over ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (alpha("curl https://slack.example/x -d '{}'"), "slack.example: it is not PagerDuty's"),
        (alpha(command("{}", "https://{{.env.host}}/x")), "a host of a template"),
        (alpha(command("{}", EVENTS.replace("v2/enqueue", "generic/x"))), "Events API v2"),
        (alpha(f"curl {EVENTS}"), "GET tells PagerDuty nothing"),
        (alpha(command("[1]")), "not a JSON object"),
        (alpha(command('{"a": {')), "its body cannot be taken apart"),
        (alpha(f"curl --data '{{ {EVENTS}"), "never closed"),
        (alpha(f"curl --data {{}} {EVENTS} more"), "2 URLs"),
        (alpha(command('{"a": 1, {{if .x}} "routing_key": "k" {{end}}}')), "inside of a condition"),
        (alpha("7"), "not PagerDuty's events host"),
        (beta({"method": "POST"}), "it has no url"),
    ],
)
def test_what_is_not_for_pagerduty_is_listed(text: str, told: str) -> None:
    drafts = imported(text)
    assert not drafts.rules
    assert told in said(drafts, NoteKind.LEFT_OUT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (alpha(command(body()), sendFinished=True), "sendFinished"),
        (alpha(command(body()), type="sh.keptn.event.evaluation.triggered"), "sendStarted"),
        (
            alpha(command(body()), envFrom=[{"name": "o", "secretRef": {"name": "n", "key": "k"}}]),
            "envFrom o",
        ),
        (alpha(command(body(), options="--proxy http://p:3128")), "curl option --proxy"),
        (beta(structured(body(), options="-k -sS")), "curl option -k"),
        (alpha(command(body(), options="-H 'X-Team: a'")), "header x-team"),
        (alpha(command(body(client='"{{.env.secret_x}}"'))), "env.secret_x in the body"),
    ],
)
def test_what_a_rule_does_not_do_is_listed(text: str, told: str, tmp_path: Path) -> None:
    drafts = imported(text)
    assert drafts.rules
    assert told in said(drafts, NoteKind.LEFT_OUT)
    running(drafts, tmp_path)


def test_a_request_without_a_dedup_key(tmp_path: Path) -> None:
    text = alpha(command(body(dedup_key=None)))
    drafts = imported(text)
    assert drafts.rules[0].dedup_key == "{{.id}}"
    assert "no dedup key" in said(drafts, NoteKind.WARNING)
    sent = request(imported(text, resolve=True), tmp_path, "keptn/evaluation/pass")
    assert sent is not None
    assert sent["dedup_key"] == "webshop/production/checkout/evaluation"


def test_a_key_of_the_event_moves_to_the_rule(tmp_path: Path) -> None:
    drafts = imported(alpha(command(body(dedup_key='"{{.data.service}}\\/{{.data.stage}}"'))))
    assert drafts.rules[0].dedup_key == "{{.data.service}}/{{.data.stage}}"
    assert "always" not in said(drafts, NoteKind.WARNING)
    sent = request(drafts, tmp_path, "keptn/evaluation/fail")
    assert sent is not None
    assert sent["dedup_key"] == "checkout/production"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("apiVersion: v1", "apiVersion is 'v1'"),
        ("apiVersion: webhookconfig.keptn.sh/v1beta1", "holds no webhooks"),
        ("apiVersion: webhookconfig.keptn.sh/v1beta1\nspec: {webhooks: [{}]}", "no event type"),
    ],
)
def test_what_is_no_webhook_configuration(text: str, told: str) -> None:
    with pytest.raises(Problem, match=told):
        load_webhooks(text, name="webhook.yaml")


# -- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("curl  a\n b", ["curl", "a", "b"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("'a'\"b\"c", ["abc"]),
        (r"""'a\n' "x\"y" """, [r"a\n", 'x"y']),
        ("a \\\n b", ["a", "b"]),
        ("''", [""]),
        ("", []),
    ],
)
def test_splitting(text: str, words: list[str]) -> None:
    assert curl.split(text) == words


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="'", exclude_categories=["Cs"]))))
def test_quoted_words_come_back(words: list[str]) -> None:
    assert curl.split(" ".join(f"'{word}'" for word in words)) == words


def test_reading_options_in_all_spellings() -> None:
    for line in (
        "curl -XPOST -H'A: b' -d{} u",
        "curl --request POST --header 'A: b' --data-raw {} u",
        "curl -X POST -H 'A:b' --data-binary {} --url u",
        "-sS -X POST -H 'A: b' -d {} u",
    ):
        call = curl.read(curl.split(line))
        assert (call.url, call.verb, call.data) == ("u", "POST", "{}")
        assert (call.headers, call.options) == ((("a", "b"),), ())
    with pytest.raises(ValueError, match="--data has no value"):
        curl.read(["u", "--data"])


def test_an_object_is_taken_apart_and_put_together() -> None:
    loose = take_apart('{"a": {"x": [1, "}"]}, "b": "{{index .d "k"}}, {{.e}}", "c": {{.f}} }')
    assert [(one.name, one.value) for one in loose.members] == [
        ("a", '{"x": [1, "}"]}'),
        ("b", '"{{index .d "k"}}, {{.e}}"'),
        ("c", "{{.f}}"),
    ]
    assert json.loads(take_apart('{"a": 1, "b": 2}').without(["a"])) == {"b": 2}
    assert json.loads(take_apart('{"a": 1}').without(["a"])) == {}


def test_bare_words_get_quotes_and_nothing_else_does() -> None:
    text = '{"a": x-{{.b}}, "n": -1.5e3, "t": true, "z": null, "d": {{.d}}, "e": [y]}'
    loose = take_apart(text)
    assert loose.quoted == ("x-{{.b}}", "y")
    got = loose.without([])
    assert '"a": "x-{{.b}}"' in got
    assert '"e": ["y"]' in got
    assert '"n": -1.5e3' in got
    assert '"d": {{.d}}' in got


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_real_json_comes_back_as_it_was(value: dict[str, object]) -> None:
    text = json.dumps(value)
    if "{{" in text:
        return
    loose = take_apart(text)
    assert not loose.quoted
    assert json.loads(loose.without([])) == value


def test_actions_give_way_to_words() -> None:
    text = '{"a": "x {{.env.a}} {{.b}}", "c": {{.env.c}}, "d": {{.d}}}'
    got = replaced(text, lambda action: "gone" if ".env." in action else None)
    assert got == '{"a": "x gone {{.b}}", "c": "gone", "d": {{.d}}}'


PIECES = st.sampled_from(
    [
        *(
            '"',
            "'",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\\",
            "{{",
            "}}",
            "{{.a}}",
            "{{if .a}}",
        ),
        *("{{end}}", '"routing_key"', '"dedup_key"', '"event_action"', '"payload"', REAL, "null"),
        *("--data", "-H", "-x", "https://", "[", EVENTS, "curl", '"\\x"', "1", "{{.env.b}}"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.booleans())
def test_whatever_stands_there_it_is_read_or_refused(text: str, whole: bool) -> None:
    drafts = imported(alpha(text if whole else command('{"routing_key": "a", ' + text + "}")))
    for rule in drafts.rules:
        assert take_apart(rule.body).get("routing_key") is None
    assert REAL not in " ".join(note.text + note.hint for note in drafts.notes)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "url",
                        "headers",
                        "payload",
                        "options",
                        "type",
                        "requests",
                        "envFrom",
                        "name",
                        "secretRef",
                        "method",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_shape_is_read_or_refused(value: object) -> None:
    text = {"apiVersion": "webhookconfig.keptn.sh/v1beta1", "spec": {"webhooks": [value]}}
    with contextlib.suppress(Problem):
        imported(json.dumps(text))


# -- the verb -------------------------------------------------------------------------------------


def run_verb(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["import-webhook", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_from_the_repository_of_a_project(tmp_path: Path) -> None:
    folder = tmp_path / ".keptn-stages" / "production" / "checkout" / "webhook"
    folder.mkdir(parents=True)
    (folder / "webhook.yaml").write_text(alpha(command(body(f'"{REAL}"'))))
    out = tmp_path / "out"
    told = run_verb(str(folder / "webhook.yaml"), "--output", str(out))
    assert REAL not in told
    assert "good. Rules: evaluation-finished; services: default" in told
    text = (out / "subscriber.yaml").read_text()
    assert "data.stage: production" in text
    assert "data.service: checkout" in text
    assert REAL not in text
    assert CliRunner().invoke(app, ["check", str(out / "subscriber.yaml")]).exit_code == 0

    refused = run_verb(str(folder / "webhook.yaml"), "--output", str(out), code=2)
    assert "would be overwritten; nothing was written" in refused
    again = run_verb(str(folder / "webhook.yaml"), "-o", str(out), "--force", "--resolve")
    assert "wrote" in again
    assert "resolve{{else if" in (out / "subscriber.yaml").read_text()


def test_nothing_for_pagerduty_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "webhook.yaml"
    file.write_text(alpha("curl https://slack.example -d x"))
    told = run_verb(str(file), "--output", str(tmp_path / "out"), code=1)
    assert "nothing was written" in told
    assert not (tmp_path / "out").exists()
    file.write_text("apiVersion: v1")
    run_verb(str(file), code=2)


def test_a_result_that_needs_a_hand_says_so(tmp_path: Path) -> None:
    file = tmp_path / "webhook.yaml"
    file.write_text(alpha(command(body(client='"{{.data.x"'))))
    told = run_verb(str(file), "--output", str(tmp_path / "out"), code=1)
    assert "cannot follow .x" in told
    assert "needs a hand" in told
    run_verb(str(file), "--output", str(tmp_path / "out"), code=2)
    file.write_text(alpha(command(body(client='"{{nosuch .data}}"'))))
    told = run_verb(str(file), "--output", str(tmp_path / "out"), "--force", code=1)
    assert "nosuch" in told


def samples() -> Path | None:
    named = os.environ.get("SUBSCRIBER_SAMPLES", "")
    beside = Path(__file__).resolve().parents[4] / "shared" / "samples"
    folder = Path(named) if named else beside
    found = sorted((folder / "webhook_templates").glob("14_*.tmpl"))
    return found[0] if found else None


@pytest.mark.parametrize("form", ["alpha", "beta"])
def test_the_published_body_runs_after_one_command(form: str, tmp_path: Path) -> None:
    sample = samples()
    if sample is None:
        pytest.skip("no samples here")
    text = sample.read_text()
    config = alpha(command(text)) if form == "alpha" else beta(structured(text))
    drafts = imported(config)
    sent = request(drafts, tmp_path, "keptn/evaluation/fail")
    assert sent is not None
    assert (sent["event_action"], sent["dedup_key"]) == ("trigger", "srv01/qa")
    assert sent["payload"]["summary"] == "Keptn Evaluation: fail"  # type: ignore[index]
    assert sent["client"] == "Keptn monitoring tool"
