"""The list of functions is complete, in order, and docs/functions.md is made from it."""

from __future__ import annotations

from pathlib import Path

from subscriber.template.functions import FUNCTIONS
from subscriber.template.functions.catalogue import CATEGORIES, catalogue, render_markdown

PAGE = Path(__file__).parents[3] / "docs" / "functions.md"


def test_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_markdown()


def test_every_function_is_listed_once_in_the_order_of_categories() -> None:
    listed = catalogue()
    order = list(CATEGORIES)

    assert sorted(function.name for function in listed) == sorted(FUNCTIONS)
    assert {function.category for function in listed} == set(CATEGORIES)
    assert [order.index(function.category) for function in listed] == sorted(
        order.index(function.category) for function in listed
    )


def test_page_shows_every_signature_and_example() -> None:
    page = render_markdown()

    for function in catalogue():
        assert function.signature in page
        assert all(template in page for template, _, _ in function.examples)
