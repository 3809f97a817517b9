"""The shipped rules against `check`: nothing to find, and their outlines hold for every case."""

from __future__ import annotations

import re

import pytest
from packs_cases import Case, all_cases, event_of, packs

from subscriber.config import Config
from subscriber.rules.lint import lint_rules
from subscriber.rules.lint.facts import facts_of
from subscriber.service.rulebook import rule_sources
from subscriber.template import TemplateError, compile
from subscriber.template.outline import outline
from subscriber.template.outline.sketch import HOLE

SOURCES, _ = rule_sources(
    Config(packs=sorted({rule.pack for rule in packs().values()})), packs=packs()
)
FACTS = [facts_of(source) for source in SOURCES]


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts.name)
def test_nothing_is_found_about_a_shipped_rule(facts: object) -> None:
    (own,) = (one for one in FACTS if one is facts)
    assert not list(lint_rules([own], FACTS))


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.label)
def test_the_outlines_of_a_rule_hold_for_its_cases(case: Case) -> None:
    spec = packs()[case.rule].spec
    document = event_of(case.event_file.read_bytes()).document()
    for source, is_action in ((spec.action, True), (spec.dedup_key, False)):
        if source is None:
            continue
        try:
            text = compile(source, missing="default").render(document).strip()
        except TemplateError:
            continue  # `match` keeps such events away
        sketch = outline(source)
        texts = sketch.texts()
        if is_action:
            assert texts is not None
            assert text in texts | {"<no value>"}
        forms = [".*".join(map(re.escape, shape.split(HOLE))) for shape in sketch.shapes()]
        assert any(re.fullmatch(form, text, re.DOTALL) for form in forms), (text, forms)
