"""Helm 4 in a process of its own: one JSON request per line in, one answer per line out.

Its SDK is a Go runtime in a shared library; a process that runs other tests is no place for one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python


def answer(request: dict[str, Any]) -> Any:
    """What Helm says to a request."""
    values = request.get("values")
    if request["do"] == "lint":
        return helm_python.lint(request["chart"], values, strict=True, kube_version="v1.34.0")
    if request["do"] == "parse":
        return helm_python.values_from_yaml(request["text"])
    with helm_python.Chart.load(request["chart"]) as chart:
        if request["do"] == "package":
            return chart.save(request["to"])
        return chart.render(
            values,
            name=request["name"],
            namespace=request["namespace"],
            is_install=not request.get("upgrade"),
            is_upgrade=bool(request.get("upgrade")),
        )


for line in sys.stdin:
    try:
        told = {"ok": answer(json.loads(line))}
    except helm_python.HelmError as error:
        told = {"error": str(error)}
    print(json.dumps(told), flush=True)
