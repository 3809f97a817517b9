"""A configuration is accepted as written or refused with place, reason and nearest spelling."""

import pytest

from subscriber.config import Config, ConfigError, load_config, load_rule
from subscriber.model import Problem, Reason


def refused(text: str) -> list[str]:
    with pytest.raises(Problem) as caught:
        load_config(text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n", "nats: {}\n"])
def test_nothing_written_means_the_defaults(text: str) -> None:
    config, _ = load_config(text)
    assert config == Config()
    assert config.packs == ["keptn", "cdevents"]
    assert config.nats.subjects == ["sh.keptn.>", "dev.cdevents.>"]


def test_one_value_may_stand_for_a_list_of_one() -> None:
    config, _ = load_config(
        "nats: {url: 'nats://a', subjects: x.>}\npacks: keptn\n"
        "rules: [{name: r, types: t, match: {data.result: fail, data.n: 3, data.x: null}}]"
    )
    assert config.nats.url == ["nats://a"]
    assert config.packs == ["keptn"]
    assert config.rules[0].types == ["t"]
    assert config.rules[0].match == {"data.result": ["fail"], "data.n": [3], "data.x": [None]}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("natz: 3", ["subscriber.yaml:1:1: unknown key 'natz' (did you mean 'nats'?)"]),
        (
            "nats:\n  modee: core",
            ["subscriber.yaml:2:3: unknown key 'modee' (did you mean 'mode'?)"],
        ),
        (
            "nats:\n  tls:\n    cafile: x",
            ["subscriber.yaml:3:5: unknown key 'cafile' (did you mean 'ca_file'?)"],
        ),
        (
            "nats:\n  mode: cor",
            [
                "subscriber.yaml:2:9: nats.mode: input should be 'jetstream' or 'core', not 'cor'"
                " (did you mean 'core'?)"
            ],
        ),
        (
            "nats: {max_in_flight: many}",
            ["subscriber.yaml:1:23: nats.max_in_flight: must be a whole number, not 'many'"],
        ),
        ("nats: 3", ["subscriber.yaml:1:7: nats: must be a mapping (`key: value` lines), not 3"]),
        ("- 1", ["subscriber.yaml:1:1: the file: must be a mapping (`key: value` lines)"]),
        (
            "rules:\n  - tpyes: [b]\n    name: x",
            ["subscriber.yaml:2:5: unknown key 'tpyes' (did you mean 'types'?)"],
        ),
        (
            "rules:\n  - types: [b]",
            ["subscriber.yaml:2:5: rules.0: a rule needs a `name`, or `use: pack/rule`"],
        ),
        (
            "rules:\n  - name: x\n    match: {a: {b: c}}",
            ["subscriber.yaml:3:16: rules.0.match.a: must be a value, a glob, or a list of them"],
        ),
        (
            "services:\n  a: {}",
            [
                "subscriber.yaml:2:6: services.a: give exactly one of `routing_key_env`,"
                " `routing_key_file` and `routing_key`"
            ],
        ),
        (
            "delivery: {max_age: -1}",
            ["subscriber.yaml:1:21: delivery.max_age: input should be greater than 0, not -1"],
        ),
        ("a: b: c", ["subscriber.yaml:1:5: mapping values are not allowed here"]),
        ("rules:\n - name: x\n   name: y", ["subscriber.yaml:3:4: 'name' is given twice"]),
        ("? [1]\n: 2", ["subscriber.yaml:1:3: a key must be text (put it in quotes)"]),
        ("1: 2", ["subscriber.yaml:1:1: a key must be text (put it in quotes)"]),
        ("nats: &a {url: *a}", ["subscriber.yaml:1:7: this anchor contains itself"]),
    ],
)
def test_a_fault_names_its_place_and_the_mend(text: str, lines: list[str]) -> None:
    assert refused(text) == lines


def test_all_faults_are_reported_together_in_file_order() -> None:
    lines = refused("nats:\n  mode: cor\nnatz: 1\nhttp:\n  listen: 7\n")
    assert [line.split(": ")[0] for line in lines] == [
        "subscriber.yaml:2:9",
        "subscriber.yaml:3:1",
        "subscriber.yaml:5:11",
    ]


@pytest.mark.parametrize("value", ["12345", "[a, b]", "{a: b}", "R0123456789abcdefghijklmnopqrstu"])
def test_a_routing_key_never_stands_in_a_message(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(f"services: {{a: {{routing_key: {value}, typo: 1}}}}")
    assert value not in str(caught.value)
    assert value not in repr(caught.value.problems)


def test_a_routing_key_never_stands_in_a_repr() -> None:
    key = "0123456789abcdef0123456789abcdef"
    config, _ = load_config(f"services: {{a: {{routing_key: '{key}'}}}}")
    assert key not in repr(config)
    assert key not in str(config.model_dump())
    assert config.services["a"].routing_key is not None


def test_anchors_that_multiply_are_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 8)
    )
    with pytest.raises(Problem) as caught:
        load_config(bomb)
    assert caught.value.reason is Reason.INVALID_YAML


def test_deep_nesting_is_refused_not_crashed() -> None:
    with pytest.raises(Problem):
        load_config("a: " + "[" * 5000 + "]" * 5000)


def test_yaml_is_version_1_2() -> None:
    config, _ = load_config("rules: [{name: r, types: t, match: {data.on: [yes, no, on, off]}}]")
    assert config.rules[0].match == {"data.on": ["yes", "no", "on", "off"]}


def test_a_rule_file_is_named_after_its_folder() -> None:
    spec, document = load_rule("types: [a]\nwhen: x\n", name="templates/p/r/rule.yaml", label="p/r")
    assert spec.name == "p/r"
    assert document.where(("when",)) == "templates/p/r/rule.yaml:2:7"


def test_a_plain_equals_sign_is_text() -> None:
    config, _ = load_config("rules: [{name: a, match: {data.operator: =}}]")
    assert config.rules[0].match == {"data.operator": ["="]}


@pytest.mark.parametrize("text", ["_", "._", "-_", "1_000", "_1", ".0_", "0x_", "1_0.5", "+._1"])
def test_what_has_an_underscore_is_no_number(text: str) -> None:
    config, _ = load_config(f"rules: [{{name: a, match: {{data.x: {text}}}}}]")
    assert config.rules[0].match == {"data.x": [text]}
