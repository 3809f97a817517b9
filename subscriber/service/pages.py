"""The pages of the documentation that are made from the code.

Rules: a page is a function without arguments; what it says comes from the one place that decides
it (the models of the configuration, the registry of template functions, the table of metrics).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from subscriber.config import config_schema, reference_page
from subscriber.model import Problem, Reason
from subscriber.service.metrics import metrics_page
from subscriber.service.rulebook import load_packs
from subscriber.template.functions.catalogue import render_markdown

PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": reference_page,
    "functions.md": render_markdown,
    "metrics.md": metrics_page,
}
"""File name -> what makes its text."""


def schema_of_config() -> dict[str, object]:
    """The JSON Schema of the configuration, offering the rules and packs that are shipped."""
    packs = load_packs()
    return config_schema(rules=packs, packs=sorted({rule.pack for rule in packs.values()}))


def stale_pages(folder: Path) -> list[str]:
    """Names of the pages that are not there or say something else than the code."""
    return [
        name
        for name, make in PAGES.items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != make()
    ]


def write_pages(folder: Path) -> list[str]:
    """Write the pages that are stale; their names.

    Raises:
        Problem: a file cannot be written.
    """
    stale = stale_pages(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (folder / name).write_text(PAGES[name](), "utf-8")
    except OSError as error:
        raise Problem(
            Reason.MISSING_FILE, f"cannot be written: {error.strerror}", where=str(folder)
        ) from None
    return stale
