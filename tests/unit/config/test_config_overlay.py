"""`use: pack/rule` lays what is written over what is shipped."""

from subscriber.config import RuleSpec, overlay

BASE = RuleSpec.model_validate(
    {
        "name": "keptn/evaluation",
        "types": ["a"],
        "match": {"data.result": ["fail"], "data.stage": ["dev"]},
        "action": "trigger",
        "body": {"payload": {"summary": "s", "custom_details": {"a": 1, "b": 2}}},
    }
)


def over(**fields: object) -> RuleSpec:
    return overlay(BASE, RuleSpec.model_validate({"use": "keptn/evaluation", **fields}))


def test_what_is_not_written_stays() -> None:
    assert over() == RuleSpec.model_construct(
        _fields_set=BASE.model_fields_set, **{f: getattr(BASE, f) for f in BASE.model_fields_set}
    )


def test_match_merges_by_path() -> None:
    assert over(match={"data.stage": "production", "data.project": "x"}).match == {
        "data.result": ["fail"],
        "data.stage": ["production"],
        "data.project": ["x"],
    }


def test_body_merges_deeply() -> None:
    body = over(body={"payload": {"severity": "info", "custom_details": {"b": 3}}}).body
    assert body == {
        "payload": {"summary": "s", "severity": "info", "custom_details": {"a": 1, "b": 3}}
    }


def test_everything_else_replaces() -> None:
    merged = over(types=["b", "c"], action="resolve", service="x")
    assert (merged.types, merged.action, merged.service) == (["b", "c"], "resolve", "x")


def test_a_name_of_its_own_is_kept() -> None:
    assert over(name="mine").label == "mine"
    assert over().label == "keptn/evaluation"
