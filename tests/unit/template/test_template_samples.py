"""Bodies found in the wild render to JSON, or are refused with a message to act on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from subscriber.template import TemplateError, compile

_BESIDE = Path(__file__).parents[3].parent / "shared" / "samples"
SAMPLES = Path(os.environ.get("SUBSCRIBER_SAMPLES", _BESIDE)) / "webhook_templates"
BODIES = sorted(SAMPLES.glob("*.tmpl"))


@pytest.mark.skipif(not BODIES, reason="no samples here: set SUBSCRIBER_SAMPLES")
@pytest.mark.parametrize("body", BODIES, ids=lambda path: path.name)
def test_a_body_from_the_wild_renders_or_is_refused_helpfully(body: Path) -> None:
    source = body.read_text(encoding="utf-8")
    try:
        template = compile(source, name=body.name, context="json", missing="default")
    except TemplateError as error:
        assert error.hint, str(error)  # noqa: PT017 - either outcome is right
        return
    data = {"data": {"project": 'a"b', "deployment": {"deploymentURIsPublic": ["http://x"]}}}
    rendered = template.render(data)  # type: ignore[arg-type]
    if source.lstrip().startswith(("{", "[")):
        json.loads(rendered)
