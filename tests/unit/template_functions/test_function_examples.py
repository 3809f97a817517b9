"""Every example in the registry renders to what it says; every function has one."""

from __future__ import annotations

import pytest

from subscriber.model.event import Json
from subscriber.template import compile as compile_template
from subscriber.template.functions import EXAMPLE_NOW, FUNCTIONS, Function

EXAMPLES = [
    pytest.param(example, id=f"{name}-{number}")
    for name, function in FUNCTIONS.items()
    for number, example in enumerate(function.examples)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_renders_to_what_it_says(example: tuple[str, Json, str]) -> None:
    template, data, expected = example

    assert compile_template(template, missing="default").render(data, now=EXAMPLE_NOW) == expected


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_function_is_documented(function: Function) -> None:
    assert function.examples
    assert any(function.name in template for template, _, _ in function.examples)
    assert function.signature.split()[0] == function.name
    assert function.doc.endswith(".")
    assert "\n" not in function.doc
