r"""One text, one meaning, also for the texts that are proven sound by being what we would write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriber.cloudevent.strictjson import read_json
from subscriber.model import Problem, Reason


def as_go(text: str) -> str:
    """What Go's json.Marshal makes of it."""
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


TEXTS = st.text(alphabet='ab<>&\\u03ce"/é', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXTS | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.booleans())
def test_every_way_of_writing_means_the_same(value: object, compact: bool, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    assert read_json((as_go(text) if escaped else text).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        r'{"a<":1,"a<":2}',
        r'{"a<":1,"a\u003c":2}',
        r'{"a\u003c":1,"a\u003c":2}',
        r'{"x":"\u003c","y":{"b":[],"b":[]}}',
        r'{"\\u003c":1,"\\u003c":1}',
        r'{"a":1e5,"a":100000.0}',
        '{"é":1,"\\u00e9":1}',
    ],
)
def test_a_key_given_twice_is_seen_however_it_is_written(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_json(text.encode())
    assert caught.value.reason is Reason.DUPLICATE_KEY


@pytest.mark.parametrize(
    "text", [r'"\\u003c"', r'"\\\u003c"', r'["\\","\u0026"]', r'{"\\u003e":1}']
)
def test_an_escaped_backslash_is_no_escape(text: str) -> None:
    assert read_json(text.encode()) == json.loads(text)


@given(TEXTS, TEXTS, st.booleans())
def test_a_key_given_twice_among_any_others_is_refused(one: str, two: str, escaped: bool) -> None:
    key = json.dumps(one, ensure_ascii=False)
    text = f'{{{key}:1,{json.dumps("x" + two, ensure_ascii=False)}:"<",{key}:1}}'
    with pytest.raises(Problem) as caught:
        read_json((as_go(text) if escaped else text).encode())
    assert caught.value.reason is Reason.DUPLICATE_KEY
