"""What runs in production beside our own code, and its licences, from the installed wheels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "THIRD_PARTY.md"
HEAD = """# Third-party software

What a production installation brings along, with the licence that each project states. Written by
`python tests/house/parts.py`; a test holds it to what is installed, and every licence to those that
ask for no more than their notice (certifi's list of authorities is used as it is, which is all that
the MPL asks for). The wheels carry the notices themselves.

| package | licence | comes with |
|---|---|---|
"""
PERMISSIVE = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0",
        "PSF-2.0", "Zlib",
    }
)  # fmt: skip
"""SPDX names. MPL-2.0 is for certifi alone, see the test."""
_SPELLINGS = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2 license": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "copyright © 2025, karen petrosyan.": "BSD-3-Clause",  # httpx-aiohttp states the text itself
}


def name_of(text: str) -> str:
    """A project's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", text).lower()


def parts(extra: str = "") -> dict[str, metadata.Distribution]:
    """Everything that an installation (with this extra) needs, but for ourselves."""
    found: dict[tuple[str, str], metadata.Distribution] = {}
    todo = [("pagerduty-subscriber", extra)]
    while todo:
        name, wanted = todo.pop()
        key = (name_of(name), wanted)
        if key in found:
            continue
        found[key] = metadata.distribution(name)
        for text in found[key].requires or ():
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": wanted}):
                todo += [(one.name, "")] + [(one.name, more) for more in one.extras]
    return {name: one for (name, _), one in found.items() if name != "pagerduty-subscriber"}


def licence(one: metadata.Distribution) -> str:
    """As SPDX, from whichever field states it; empty when none does."""
    stated = one.metadata
    expression = stated.get("License-Expression")
    if expression:
        return str(expression)
    words = [
        text.split(" :: ")[-1]
        for text in stated.get_all("Classifier") or ()
        if text.startswith("License ::")
    ]
    words += [(stated.get("License") or "").partition("\n")[0].partition("  ")[0]]
    for word in words:
        for spelling, spdx in _SPELLINGS.items():
            if word.strip().lower().startswith(spelling):
                return spdx
    return ""


def rows() -> Iterator[tuple[str, str, str]]:
    """Package, licence, and which extra brings it (empty: always)."""
    always = parts()
    listed = dict.fromkeys(always, "")
    for extra in ("otel", "embedded"):
        for name in parts(extra):
            listed.setdefault(name, f"`[{extra}]`")
    for name in sorted(listed):
        yield name, licence(metadata.distribution(name)), listed[name]


def page() -> str:
    """The text of THIRD_PARTY.md."""
    return HEAD + "".join(f"| {name} | {spdx} | {extra} |\n" for name, spdx, extra in rows())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
