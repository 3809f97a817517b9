"""The work that all Python peers share, so that they differ only in how messages and POSTs travel.

The same for everybody: the type decides, the body is made from the event, it is POSTed as JSON, and
the message is acknowledged after a 202. `render` uses a compiled Jinja template (a body that can be
configured), `build` plain Python (a body that is code).
"""

from __future__ import annotations

import json
import os
from typing import Any

from jinja2 import Environment, StrictUndefined

NATS = os.environ["PEER_NATS"]
STREAM = os.environ["PEER_STREAM"]
DURABLE = os.environ["PEER_DURABLE"]
SUBJECTS = os.environ["PEER_SUBJECTS"]
WANTED = os.environ["PEER_TYPE"]
ROUTING_KEY = os.environ["PEER_ROUTING_KEY"]
ENQUEUE = os.environ["PEER_ENQUEUE"]
HEADERS = {"Content-Type": "application/json"}
AT_ONCE = 64
"""POSTs under way at a time, as ours."""

_BODY = """{
  "routing_key": {{ routing_key|tojson }},
  "event_action": "{% if data.result == "fail" %}trigger{% else %}resolve{% endif %}",
  "dedup_key": {{ (data.project ~ "/" ~ data.stage ~ "/" ~ data.service)|tojson }},
  "payload": {
    "summary": {{
      ("Evaluation of " ~ data.service ~ " in " ~ data.stage ~ ": " ~ data.result)|tojson
    }},
    "severity": "{% if data.result == "fail" %}critical{% else %}info{% endif %}",
    "source": {{ source|tojson }},
    "custom_details": {
      "message": {{ data.message|tojson }},
      "score": {{ data.evaluation.score|tojson }},
      "from": {{ data.evaluation.timeStart|tojson }},
      "to": {{ data.evaluation.timeEnd|tojson }},
      "build": {{ data.labels.build|tojson }},
      "context": {{ shkeptncontext|tojson }}
    }
  }
}"""
_TEMPLATE = Environment(undefined=StrictUndefined).from_string(_BODY)


def render(event: dict[str, Any]) -> bytes:
    """The body from a template."""
    return _TEMPLATE.render(routing_key=ROUTING_KEY, **event).encode()


def build(event: dict[str, Any]) -> bytes:
    """The same body, written as Python."""
    data = event["data"]
    failed = data["result"] == "fail"
    return json.dumps(
        {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger" if failed else "resolve",
            "dedup_key": f"{data['project']}/{data['stage']}/{data['service']}",
            "payload": {
                "summary": f"Evaluation of {data['service']} in {data['stage']}: {data['result']}",
                "severity": "critical" if failed else "info",
                "source": event["source"],
                "custom_details": {
                    "message": data["message"],
                    "score": data["evaluation"]["score"],
                    "from": data["evaluation"]["timeStart"],
                    "to": data["evaluation"]["timeEnd"],
                    "build": data["labels"]["build"],
                    "context": event["shkeptncontext"],
                },
            },
        }
    ).encode()
