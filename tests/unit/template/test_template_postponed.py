"""A postponed template behaves like any other, only later."""

import jinja2
import pytest

from subscriber.model import Reason
from subscriber.template import TemplateError, compile, compile_expression

DATA = {"data": {"score": 12, "labels": {"team": "ops"}}}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of everything that Jinja turns into code meanwhile."""
    names: list[str] = []
    real = jinja2.Environment.compile

    def spy(self: jinja2.Environment, source: object, name: str, **rest: object) -> object:
        names.append(name)
        return real(self, source, name, **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(jinja2.Environment, "compile", spy)
    return names


@pytest.mark.parametrize("context", ["text", "json"])
@pytest.mark.parametrize(
    "source",
    [
        '"{{.data.score}} of {{.data.labels.team}}"',
        '{{define "x"}}"{{.}}"{{end}}[{{template "x" .data.score}}]',
        "{{.data.score}}",
    ],
)
def test_it_renders_what_others_render(source: str, context: str) -> None:
    wanted = compile(source, context=context)  # type: ignore[arg-type]
    later = compile(source, context=context, postponed=True)  # type: ignore[arg-type]
    assert later.render(DATA) == wanted.render(DATA)
    assert later.value(DATA) == wanted.value(DATA)


def test_it_compiles_once_and_only_when_it_is_used(compiled: list[str]) -> None:
    later = compile("a {{.data.score}}", name="later", postponed=True)
    assert compiled == []
    assert later.render(DATA) == later.value(DATA) == "a 12"
    assert compiled == ["later"]


def test_what_is_one_action_compiles_its_text_only_for_who_wants_text(compiled: list[str]) -> None:
    template = compile("{{.data.score}}", name="typed")
    assert template.value(DATA) == 12
    assert compiled == ["typed"]
    assert template.render(DATA) == "12"
    assert compiled == ["typed"] * 2


def test_preparing_does_it_now_and_not_again(compiled: list[str]) -> None:
    later = compile("a {{.data.score}}", name="one", postponed=True)
    condition = compile_expression("gt .data.score 3", name="two", postponed=True)
    assert compiled == []
    for made in (later, condition, later, condition):
        made.prepare()
    assert compiled == ["one", "two"]
    assert later.render(DATA) == "a 12"
    assert condition.test(DATA) is True
    assert compiled == ["one", "two"]


@pytest.mark.parametrize("use", ["prepare", "render", "value"])
def test_its_faults_come_when_it_is_used(use: str) -> None:
    later = compile("a {{.data.score", postponed=True)
    with pytest.raises(TemplateError) as caught:
        getattr(later, use)(*() if use == "prepare" else (DATA,))
    assert caught.value.reason is Reason.TEMPLATE_SYNTAX
    condition = compile_expression("gt .data.score (", postponed=True)
    with pytest.raises(TemplateError) as caught:
        getattr(condition, use if use != "render" else "test")(*() if use == "prepare" else (DATA,))
    assert caught.value.reason is Reason.TEMPLATE_SYNTAX


def test_too_deep_is_said_whenever_it_compiles() -> None:
    deep = "{{if .a}}" * 3000 + "x" + "{{end}}" * 3000
    for postponed in (False, True):
        with pytest.raises(TemplateError) as caught:
            compile(deep, postponed=postponed).render(DATA)
        assert caught.value.reason in {Reason.TEMPLATE_LIMIT, Reason.TEMPLATE_SYNTAX}
