"""Results of `test` as JUnit XML, the form that CI servers read.

Rules: one suite per rule; a difference is a `failure`, what could not be run an `error`. Characters
that XML does not have are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

if TYPE_CHECKING:
    from subscriber.service.cases import Result

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, results: Sequence[Result], difference: dict[str, str]) -> None:
    """Write the file; folders on the way are made.

    Args:
        path: where to.
        results: in order of their rules.
        difference: the diff of each failed case, by label.

    Raises:
        Problem: it cannot be written.
    """
    from subscriber.model import Problem, Reason  # noqa: PLC0415
    from subscriber.service.cases import Ending  # noqa: PLC0415

    root = Element("testsuites", _sums(results))
    root.set("name", "pagerduty-subscriber test")
    for rule, group in groupby(results, key=lambda result: result.case.rule):
        members = list(group)
        suite = SubElement(root, "testsuite", {"name": _legal(rule), **_sums(members)})
        for result in members:
            case = SubElement(
                suite,
                "testcase",
                {
                    "classname": _legal(rule),
                    "name": _legal(result.case.name),
                    "time": f"{result.seconds:.6f}",
                },
            )
            if result.ending is Ending.FAILED:
                failure = SubElement(
                    case, "failure", {"message": "differs from the expected file", "type": "diff"}
                )
                failure.text = _legal(difference[result.case.label])
            elif result.ending is Ending.BROKEN:
                first = result.detail.partition("\n")[0]
                error = SubElement(case, "error", {"message": _legal(first), "type": "broken"})
                error.text = _legal(result.detail)
    indent(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as fault:
        raise Problem(
            Reason.MISSING_FILE, f"cannot be written: {fault.strerror}", where=str(path)
        ) from None


def _sums(results: Sequence[Result]) -> dict[str, str]:
    from subscriber.service.cases import Ending  # noqa: PLC0415

    endings = [result.ending for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(endings.count(Ending.FAILED)),
        "errors": str(endings.count(Ending.BROKEN)),
        "time": f"{sum(result.seconds for result in results):.6f}",
    }


def _legal(text: str) -> str:
    return _NOT_XML.sub("", text)
