"""Records behave as the frozen dataclasses that they are, whatever makes them quick."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from subscriber import model
from subscriber.model.record import record

RECORDS = [
    one
    for name in model.__all__
    if dataclasses.is_dataclass(one := getattr(model, name)) and isinstance(one, type)
]


@record(frozen=True, slots=True, kw_only=True, order=True)
class _Sample:
    first: int
    second: str = "x"
    many: list[int] = dataclasses.field(default_factory=list)
    hidden: str = dataclasses.field(default="secret", repr=False, compare=False)


@record(frozen=True, slots=True, kw_only=True)
class _Key:
    name: str


def test_there_are_records() -> None:
    assert len(RECORDS) >= 15


@pytest.mark.parametrize("made", RECORDS, ids=lambda made: made.__name__)
def test_takes_what_a_dataclass_of_the_same_fields_takes(made: Any) -> None:
    fields = [
        (f.name, f.type, dataclasses.field(default=f.default, default_factory=f.default_factory))
        for f in dataclasses.fields(made)
    ]
    twin = dataclasses.make_dataclass(made.__name__, fields, kw_only=True)
    ours, theirs = inspect.signature(made), inspect.signature(twin)
    assert list(ours.parameters) == list(theirs.parameters)
    for name, parameter in ours.parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        has_default = parameter.default is not inspect.Parameter.empty
        assert has_default == (theirs.parameters[name].default is not inspect.Parameter.empty)


def test_defaults_are_filled_in_and_lists_are_not_shared() -> None:
    one, other = _Sample(first=1), _Sample(first=1)
    assert (one.first, one.second, one.many, one.hidden) == (1, "x", [], "secret")
    assert one.many is not other.many


def test_cannot_be_changed() -> None:
    one: Any = _Sample(first=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.second
    with pytest.raises((AttributeError, TypeError)):
        one.third = 3
    assert type(one) is _Sample


@pytest.mark.parametrize(
    ("given", "complaint"),
    [({}, "first"), ({"first": 1, "third": 3}, "third"), ({"second": "y"}, "first")],
)
def test_refuses_what_is_missing_or_unknown(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TypeError, match=rf"_Sample.__init__\(\).*{complaint}"):
        _Sample(**given)


def test_takes_nothing_by_position() -> None:
    make: Any = _Sample
    with pytest.raises(TypeError):
        make(1)


def test_is_compared_shown_replaced_and_copied_like_any_dataclass() -> None:
    one = _Sample(first=1, hidden="a")
    assert one == _Sample(first=1, hidden="b")
    assert one < _Sample(first=2)
    assert repr(one) == "_Sample(first=1, second='x', many=[])"
    assert dataclasses.replace(one, first=5) == _Sample(first=5)
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.asdict(one) == {"first": 1, "second": "x", "many": [], "hidden": "a"}
    assert hash(_Key(name="a")) == hash(_Key(name="a"))
