"""Rules on disk: packs, `use`, body files, and every fault of them together."""

from pathlib import Path

import pytest

from subscriber.config import Config, ConfigError, load_config
from subscriber.model import Problem
from subscriber.rules import compile_rules
from subscriber.service.rulebook import Packs, load_packs, load_rules, rule_sources


def faults(text: str, folder: Path) -> list[str]:
    config, document = load_config(text)
    with pytest.raises(ConfigError) as caught:
        load_rules(config, document, folder=folder)
    return [str(problem) for problem in caught.value.problems]


def names(text: str, folder: Path | None = None) -> list[str]:
    config, document = load_config(text)
    return [rule.name for rule in load_rules(config, document, folder=folder).rules]


def test_everything_shipped_is_good_and_on_by_default() -> None:
    rules = load_rules(Config())
    on = [
        name
        for name, rule in load_packs().items()
        if rule.spec.enabled and rule.pack in Config().packs
    ]
    assert [rule.name for rule in rules.rules] == on
    assert "keptn/evaluation" in on


def test_the_packs_that_are_off_are_good_too() -> None:
    shipped = load_packs()
    on = [name for name, rule in shipped.items() if rule.spec.enabled]
    assert names(f"packs: {sorted({rule.pack for rule in shipped.values()})}") == on


def test_every_shipped_template_compiles_and_waits_until_it_is_asked_for() -> None:
    packs = sorted({rule.pack for rule in load_packs().values()})
    config = Config(packs=packs)
    rules = load_rules(config)
    prepared = list(rules.prepare())  # raises where a shipped template is broken
    assert set(prepared) == {rule.name for rule in rules.rules if rule.templates}
    assert len(prepared) > len(rules.rules)


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    for name, text in (("good", "types: [a.b]\naction: trigger\n"), ("broken", "types: [")):
        (tmp_path / "pack" / name).mkdir(parents=True)
        (tmp_path / "pack" / name / "rule.yaml").write_text(text)
    packs = Packs(tmp_path)
    assert list(packs) == ["pack/broken", "pack/good"]
    assert packs["pack/good"].spec.types == ["a.b"]
    assert packs["pack/good"] is packs["pack/good"]
    assert not packs["pack/good"].proven
    with pytest.raises(Problem, match=r"rule\.yaml"):
        packs["pack/broken"]


def test_a_template_of_ones_own_is_compiled_at_once(tmp_path: Path) -> None:
    (tmp_path / "pack" / "mine").mkdir(parents=True)
    (tmp_path / "pack" / "mine" / "rule.yaml").write_text(
        'types: [a.b]\naction: "{{if .x}}trigger"\n'
    )
    sources, none = rule_sources(Config(packs=["pack"]), packs=Packs(tmp_path))
    assert not none
    with pytest.raises(ConfigError, match="pack/mine"):
        compile_rules(sources, ["default"])


def test_packs_are_switched_on_by_naming_them() -> None:
    assert names("packs: [tekton, klt]") == [
        "klt/app",
        "klt/deployment-change",
        "tekton/customrun",
        "tekton/pipelinerun",
        "tekton/taskrun",
    ]
    assert "klt/workload" in names("packs: klt\nrules: [{use: klt/workload, enabled: true}]")


def test_packs_are_switched_off_by_leaving_them_out() -> None:
    assert all(name.startswith("cdevents/") for name in names("packs: cdevents"))
    assert names("packs: []") == []


def test_a_used_rule_takes_the_place_of_the_shipped_one() -> None:
    found = names("rules: [{use: keptn/evaluation, match: {data.stage: prod}}]")
    assert found[0] == "keptn/evaluation"
    assert found.count("keptn/evaluation") == 1


def test_a_shipped_rule_can_be_used_several_times_under_other_names() -> None:
    text = "rules: [{use: keptn/evaluation, name: a}, {use: keptn/evaluation, name: b}]"
    assert names(text)[:2] == ["a", "b"]
    assert "keptn/evaluation" not in names(text)


def test_a_used_rule_of_a_pack_that_is_off_is_on() -> None:
    assert names("packs: []\nrules: [{use: keptn/test}]") == ["keptn/test"]


def test_one_can_be_switched_off() -> None:
    assert "keptn/test" not in names("rules: [{use: keptn/test, enabled: false}]")


def test_a_body_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "body.json.tmpl").write_text('{"summary": "s", "severity": "info"}')
    own = "rules: [{name: r, types: t, dedup_key: k, action: trigger, body_file: body.json.tmpl}]"
    assert names("packs: []\n" + own, tmp_path) == ["r"]


def test_faults_of_files_and_of_templates_come_together(tmp_path: Path) -> None:
    (tmp_path / "body.json.tmpl").write_text("{}")
    text = """\
packs: [keptn, cdevent]
services:
  default: {routing_key_env: X}
rules:
  - use: keptn/evaluatoin
  - name: a
    types: t
    action: trigger
    dedup_key: '{{.data.x'
    body_file: bdy.json.tmpl
  - use: keptn/test
    service: defalt
"""
    assert [fault.split(": ", 1)[0] for fault in faults(text, tmp_path)] == [
        "subscriber.yaml:5:10",
        "subscriber.yaml:10:16",
        "subscriber.yaml:1:16",
        "subscriber.yaml:9:16",
        "subscriber.yaml:12:14",
    ]


def test_the_nearest_file_rule_and_pack_are_offered(tmp_path: Path) -> None:
    (tmp_path / "body.json.tmpl").write_text("{}")
    text = "packs: [kepn]\nrules: [{name: a, types: t, action: trigger, body_file: bdy.json.tmpl}]"
    found = faults(text, tmp_path)
    assert "(did you mean 'body.json.tmpl'?)" in found[0]
    assert "(did you mean 'keptn'?)" in found[1]


def test_shipped_rules_need_a_default_service(tmp_path: Path) -> None:
    (fault,) = faults("services: {checkout: {routing_key_env: X}}", tmp_path)
    assert "the shipped rules page a service called 'default', and none is" in fault
    assert names("packs: []\nservices: {checkout: {routing_key_env: X}}") == []


def test_a_body_file_must_be_text_of_reasonable_size(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe{")
    (tmp_path / "c").write_bytes(b" " * 1_048_577)
    for file in ("b", "c", "."):
        text = f"packs: []\nrules: [{{name: a, types: t, action: trigger, body_file: {file}}}]"
        assert len(faults(text, tmp_path)) == 1


def test_a_configuration_without_positions_still_names_the_rule() -> None:
    config, _ = load_config("rules: [{use: keptn/nope}]")
    _, found = rule_sources(config)
    assert found[0].where == "rules"
