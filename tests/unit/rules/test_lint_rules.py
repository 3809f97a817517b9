"""What `check` finds, and what it leaves alone."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.config import load_config
from subscriber.rules.lint import Finding, Lint, allowed, lint
from subscriber.rules.lint.patterns import covers, glob, overlap, shapes_meet, subject
from subscriber.service.rulebook import load_packs, rule_sources
from subscriber.template.outline.sketch import HOLE

PACKS = load_packs()
ROOT = Path(__file__).resolve().parents[3]
BASE = {
    "types": "sh.keptn.event.evaluation.finished",
    "action": "'{{if eq .data.result \"pass\"}}resolve{{else}}trigger{{end}}'",
    "dedup_key": "'{{.data.project}}/{{.data.service}}/own'",
    "body": "{summary: '{{.data.service}} failed', severity: error}",
}


def found(text: str) -> list[Finding]:
    config, document = load_config(text)
    sources, faults = rule_sources(config, document, packs=PACKS)
    assert not faults
    return allowed(text, "subscriber.yaml", lint(config, document, sources))


def rule(name: str = "own", **fields: str | None) -> str:
    """One rule as YAML, like BASE but for some fields."""
    merged = {"name": name, **BASE, **fields}
    lines = [f"{key}: {value}" for key, value in merged.items() if value is not None]
    return "  - " + "\n    ".join(lines) + "\n"


def of(*rules: str, head: str = "") -> list[tuple[str, str]]:
    """Codes and lines of what is found about rules."""
    return [
        (one.code.value, one.where.split(":")[1])
        for one in found(f"{head}rules:\n{''.join(rules)}")
    ]


def test_a_good_rule_is_left_alone() -> None:
    assert of(rule()) == []


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("{{.id}}", "unstable-key"),
        ("{{.data.service}}/{{.time}}", "unstable-key"),
        ('{{printf "%s/%s" .data.service .id}}', "unstable-key"),
        ("{{.data.service}}/{{.id | trunc 8}}", "unstable-key"),
        ("{{.shkeptncontext}}", "unstable-key"),
        ("{{if .data.x}}a{{else}}b{{end}}/{{.id}}", "unstable-key"),
        ("{{.data.service}}/{{.data.message}}", "unbounded-key"),
        ("{{.data.labels}}", "unbounded-key"),
        ("x" * 256, "unbounded-key"),
        # not for certain
        ("{{coalesce .data.name .id}}", None),
        ("{{with .data.name}}{{.}}{{else}}{{.id}}{{end}}", None),
        ("{{.data.id}}", None),
        ("{{.triggeredid}}", None),
        ("{{.data.service}}/{{.data.message | sha256sum}}", None),
        ("{{.data.service}}/{{.data.message | trunc 40}}", None),
        ("{{.data.labels.team}}", None),
        ("x" * 255, None),
    ],
)
def test_keys(key: str, code: str | None) -> None:
    assert [one for one, _ in of(rule(dedup_key=f"'{key}'"))] == ([code] if code else [])


def test_keys_that_may_hold_what_changes() -> None:
    change = rule(action="change", dedup_key=None, body="{summary: x}")
    assert of(change) == []
    two_types = "[sh.keptn.event.approval.triggered, sh.keptn.event.approval.finished]"
    assert of(rule(types=two_types, dedup_key="'{{.shkeptncontext}}'")) == []
    assert of(rule(types=two_types, dedup_key="'{{.triggeredid | default .id}}'")) == []


def test_a_key_in_the_body_is_looked_at_too() -> None:
    body = "{payload: {summary: x, severity: info}, dedup_key: '{{.id}}'}"
    ((code, line),) = of(rule(dedup_key=None, body=body))
    assert (code, line) == ("unstable-key", "5")


# -- pairs ---------------------------------------------------------------------------------------


def test_what_nothing_closes() -> None:
    assert of(rule(action="trigger")) == [("never-resolves", "4")]
    silent = "'{{if eq .data.result \"fail\"}}trigger{{end}}'"
    assert of(rule(action=silent)) == [("never-resolves", "4")]
    assert of(rule(action=None)) == [("never-resolves", "2")]


@pytest.mark.parametrize(
    "action",
    ["'{{.data.action}}'", "'{{.data.a | default \"trigger\"}}'", "'{{printf \"%s\" .data.x}}'"],
)
def test_an_action_that_is_not_known_may_close(action: str) -> None:
    assert of(rule(action=action)) == []


@pytest.mark.parametrize(
    ("closes", "closed"),
    [
        ("{{.data.project}}/{{.data.service}}/own", True),
        ("{{ .data.project }}/{{ .data.x.service }}/own", True),
        ("{{.data.key}}", True),
        ("{{.data.project}}/{{.data.service}}", False),
        ("{{.data.project}}/{{.data.service}}/other", False),
        ("x{{.data.project}}/{{.data.service}}/own", True),
    ],
)
def test_another_rule_may_close(closes: str, closed: bool) -> None:
    other = rule("closer", action="resolve", dedup_key=f"'{closes}'", body=None)
    codes = [code for code, _ in of(rule(action="trigger"), other)]
    assert codes == ([] if closed else ["never-resolves"])


def test_only_a_rule_of_the_same_service_closes() -> None:
    head = "services: {default: {routing_key_env: A}, shop: {routing_key_env: B}}\n"
    other = rule("closer", action="resolve", body=None)
    assert of(rule(action="trigger", service="shop"), other, head=head) == [("never-resolves", "5")]
    named = "'{{.data.service}}'"
    assert of(rule(action="trigger", service=named), other, head=head) == []


def test_a_rule_that_is_off_closes_nothing() -> None:
    other = rule("closer", action="resolve", enabled="false")
    assert of(rule(action="trigger"), other) == [("never-resolves", "4")]


def test_a_rule_that_is_off_is_left_alone() -> None:
    assert of(rule(action="trigger", dedup_key="'{{.id}}'", enabled="false")) == []


def test_the_same_said_twice() -> None:
    twice = of(rule("a"), rule("b", match="{data.stage: production}"))
    assert twice == [("said-twice", "8")]
    assert of(rule("a"), rule("b")) == [("said-twice", "8")]
    assert of(rule("a", types="sh.keptn.event.*.finished"), rule("b")) == [("said-twice", "8")]


@pytest.mark.parametrize(
    "fields",
    [
        {"dedup_key": "'{{.data.service}}/own2'"},
        {"service": "shop"},
        {"types": "sh.keptn.event.test.finished"},
        {"action": "'{{if eq .data.result \"fail\"}}trigger{{else}}resolve{{end}}'"},
        {"dialect": "jinja", "dedup_key": "'{{data.service}}/own'", "action": "trigger",
         "body": "{summary: x, severity: info}"},
    ],
)  # fmt: skip
def test_not_the_same(fields: dict[str, str]) -> None:
    head = "services: {default: {routing_key_env: A}, shop: {routing_key_env: B}}\n"
    both = of(rule("a"), rule("b", **fields), head=head)
    assert "said-twice" not in dict(both)


def test_a_narrower_rule_is_not_covered() -> None:
    one = rule("a", match="{data.stage: production}")
    assert of(one, rule("b", match="{data.stage: staging}")) == []
    assert of(one, rule("b", when='eq .data.stage "production"')) == []
    wide = rule("b", match="{data.stage: [production, staging]}")
    assert of(one, wide) == [("said-twice", "3")]


# -- summary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("{summary: '{{.data.message}}', severity: info}", "6"),
        ("{payload: {summary: '{{.data.message}}', severity: info}}", "6"),
        ("{summary: ' ', severity: info}", "6"),
        ("{summary: '{{if .data.x}}x{{end}}', severity: info}", "6"),
        ("{severity: info}", "6"),
        ("{summary: '{{.data.message}}!', severity: info}", None),
        ("{summary: '{{.data.message | default \"no reason\"}}', severity: info}", None),
        ("{summary: '{{.type}}', severity: info}", None),
        ("{summary: '{{trunc 9 .data.message}}', severity: info}", None),
    ],
)
def test_summaries(body: str, line: str | None) -> None:
    assert of(rule(body=body)) == ([("empty-summary", line)] if line else [])


def test_a_field_that_match_demands_is_not_empty() -> None:
    body = "{summary: '{{.data.message}}', severity: info}"
    assert of(rule(body=body, match="{data.message: '?*'}")) == []
    assert of(rule(body=body, match="{data.message: '*'}")) == [("empty-summary", "6")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"payload": {\n  "summary": "{{.data.message}}", "severity": "info"}}', "2:3"),
        ('{"summary": {{.data.message}}, "severity": "info"}', "1:2"),
        ('{"summary": "{{.data.message}} failed", "severity": "info"}', None),
        ('{"summary": "failed", "severity": "info"}', None),
        ('{"summary": "{{if .data.x}}{{.data.y}}{{end}}", "severity": "info"}', "1:2"),
        ('{{define "s"}}x{{end}}{"summary": "{{template "s"}}", "severity": "info"}', None),
    ],
)
def test_summaries_in_files(tmp_path: Path, text: str, place: str | None) -> None:
    (tmp_path / "b.tmpl").write_text(text)
    config, document = load_config(f"rules:\n{rule(body=None, body_file='b.tmpl')}")
    sources, faults = rule_sources(config, document, folder=tmp_path)
    assert not faults
    findings = lint(config, document, sources)
    assert [one.where for one in findings] == ([f"{tmp_path}/b.tmpl:{place}"] if place else [])


# -- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"match": "{data.result: pass, .data.result: fail}"}, "7"),
        ({"match": "{data.result: 'p*', .data.result: ['f*', 'w*']}"}, "7"),
        ({"match": "{data.n: 1, .data.n: 2}"}, "7"),
        ({"match": "{type: sh.keptn.event.test.finished}"}, "7"),
        ({"match": "{data.result: fail}", "when": 'eq .data.result "pass"'}, "7"),
        ({"match": "{data.result: fail}", "when": 'ne .data.result "fail"'}, "7"),
        ({"when": 'and (eq .data.r "a") (eq .data.r "b")'}, "7"),
        ({"match": "{data.result: 'p*', .data.result: '*s'}"}, None),
        ({"match": "{data.n: '1', .data.n: 1}"}, None),
        ({"match": "{type: '*.finished'}"}, None),
        ({"match": "{data.result: [fail, pass]}", "when": 'eq .data.result "pass"'}, None),
        ({"match": "{data.result: [fail, pass]}", "when": 'ne .data.result "pass"'}, None),
        ({"match": "{data.result: fail}", "when": 'or (eq .data.result "pass") .data.x'}, None),
        ({"match": "{data.n: 5}", "when": 'eq .data.n "6"'}, None),
    ],
)
def test_conditions_that_exclude_each_other(fields: dict[str, str], line: str | None) -> None:
    assert of(rule(**fields)) == ([("never-matches", line)] if line else [])


def test_jinja_is_understood_too() -> None:
    text = rule(
        dialect="jinja",
        match="{data.result: fail}",
        when="\"data.result == 'pass'\"",
        action="\"{{ 'trigger' }}\"",
        dedup_key="'{{ data.service }}/{{ id }}'",
        body="{summary: '{{ data.message }}', severity: info}",
    )
    assert {code for code, _ in of(text, head="packs: []\n")} == {
        "never-matches",
        "never-resolves",
        "unstable-key",
        "empty-summary",
    }


# -- the rest of the file ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subjects", "types", "arrives"),
    [
        (None, "com.example.x", False),
        (None, "'*'", True),
        (None, "dev.cdevents.*", True),
        (None, "[com.example.x, sh.keptn.event.test.finished]", True),
        ("[sh.keptn.event.test.>]", "sh.keptn.event.evaluation.finished", False),
        ("[sh.keptn.event.*.finished]", "sh.keptn.event.evaluation.finished", True),
        ("[sh.keptn.event.*.finished]", "sh.keptn.event.dev.evaluation.finished", False),
        ("[sh.keptn.>, events.>]", "com.example.x", True),
    ],
)
def test_types_that_no_subject_carries(subjects: str | None, types: str, arrives: bool) -> None:
    head = f"nats: {{subjects: {subjects}}}\n" if subjects else ""
    codes = [code for code, _ in of(rule(types=types), head=head)]
    assert codes == ([] if arrives else ["never-arrives"])


def test_a_pack_that_was_named_and_gets_no_events() -> None:
    head = "packs: [keptn, cdevents]\nnats: {subjects: [sh.keptn.>]}\n"
    assert of(rule(), head=head) == [("never-arrives", "1")]
    assert of(rule(), head="nats: {subjects: [sh.keptn.>]}\n") == []


def test_a_shipped_rule_is_judged_where_it_is_used() -> None:
    text = "rules:\n  - use: cdevents/service\nnats: {subjects: [sh.keptn.>]}\n"
    (one,) = found(text)
    assert (one.code, one.where) == (Lint.NEVER_ARRIVES, "subscriber.yaml:2:10")


SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{default: {{routing_key: {SECRET}}}}}",
        f"nats: {{url: 'nats://user:{SECRET}@host:4222'}}",
        f"nats: {{url: [nats://a, 'nats://{SECRET}@host:4222']}}",
        f"pagerduty: {{events_url: 'https://me:{SECRET}@proxy.example'}}",
        "rules: [{use: keptn/test, body: {client_url: 'https://me:" + SECRET + "@x.example'}}]",
    ],
)
def test_secrets_in_the_file(text: str) -> None:
    (one,) = found(text)
    assert one.code is Lint.CLEAR_SECRET
    assert SECRET not in repr(one)


@pytest.mark.parametrize(
    "text",
    [
        "nats: {url: 'nats://host:4222'}",
        "services: {default: {routing_key_env: X}}",
        "rules: [{use: keptn/test, body: {client_url: 'https://x.example/a@b:{{.id}}@c'}}]",
    ],
)
def test_no_secrets(text: str) -> None:
    assert found(text) == []


def test_services_that_nobody_names() -> None:
    head = "services: {default: {routing_key_env: A}, shop: {routing_key_env: B}}\n"
    assert of(rule(), head=head) == [("unused-service", "1")]
    assert of(rule(service="shop"), head=head) == []
    assert of(rule(service="'{{.data.team}}'"), head=head) == []
    chosen = "'{{if .data.x}}shop{{else}}default{{end}}'"
    assert of(rule(service=chosen), head=head) == []


# -- what is meant as it is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "behind", "kept"),
    [
        ("", "  # check: allow never-resolves", False),
        ("", "  # check: allow never-resolves: a person closes it", False),
        ("", "  # check: allow unstable-key, never-resolves", False),
        ("    # check: allow never-resolves\n", "", False),
        ("", "  # check: allow unstable-key", True),
        ("", "  # never-resolves", True),
        ("    description: 'x' # check: allow never-resolves\n", "", True),
    ],
)
def test_a_comment_allows(before: str, behind: str, kept: bool) -> None:
    text = rule().replace("    action: ", f"{before}    action: ")
    text = re.sub(r"action: .*", f"action: trigger{behind}", text)
    assert [code for code, _ in of(text)] == (["never-resolves"] if kept else [])


@pytest.mark.parametrize("file", ["README.md", "docs/rules.md", "docs/workbench.md"])
def test_the_documentation_follows_its_own_advice(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert found(block) == []


# -- patterns ------------------------------------------------------------------------------------

letters = st.text("ab.", max_size=4)
globs = st.text("ab.*?", max_size=5)
ALL = ["".join(one) for size in range(6) for one in itertools.product("ab.", repeat=size)]


@given(globs, globs)
def test_globs_overlap_when_some_text_fits_both(one: str, other: str) -> None:
    if any(fnmatchcase(text, one) and fnmatchcase(text, other) for text in ALL):
        assert overlap(glob(one), glob(other))


@given(letters, globs)
def test_a_glob_and_a_text_overlap_exactly_when_it_fits(text: str, pattern: str) -> None:
    assert overlap(glob(pattern), glob(text)) is fnmatchcase(text, pattern)


@given(globs, globs)
def test_what_is_covered_fits(wide: str, narrow: str) -> None:
    if covers(wide, narrow):
        for text in ALL:
            assert not fnmatchcase(text, narrow) or fnmatchcase(text, wide)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a.>", "a.b.c", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.>", "b.c", False),
    ],
)
def test_subjects(pattern: str, text: str, fits: bool) -> None:
    assert overlap(subject(pattern), glob(text)) is fits


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("*/*/x", "*/*/x", True),
        ("*/*/x", "*/*/y", False),
        ("*/x", "*/*/x", False),
        ("*", "a/b/c", True),
        ("a*", "ab", True),
        ("p/*", "p/*/q", False),
        ("p:*", "p/*", False),
    ],
)
def test_shapes(one: str, other: str, meet: bool) -> None:
    assert shapes_meet(one.replace("*", HOLE), other.replace("*", HOLE)) is meet


def test_very_long_patterns_end() -> None:
    assert overlap(glob("*a" * 300), glob("*b" * 300))
