"""Write the Node-RED flow: `python make_flow.py FILE`.

JetStream in (a function node with nats.js) -> switch on the type -> template -> http request ->
acknowledge. What does not match is acknowledged at once. Made by a program because the flow's JSON
would hide the code of its function nodes in one line each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

RECEIVE = """
const { connect } = global.get("transport");
const { jetstream, jetstreamManager, AckPolicy, DeliverPolicy } = global.get("jetstream");
const stream = env.get("PEER_STREAM"), durable = env.get("PEER_DURABLE");

(async () => {
  const connection = await connect({ servers: env.get("PEER_NATS") });
  context.set("connection", connection);
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(stream, {
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    filter_subject: env.get("PEER_SUBJECTS"),
  });
  const consumer = await jetstream(connection).consumers.get(stream, durable);
  const messages = await consumer.consume({ max_messages: 100 });
  for await (const held of messages) {
    node.send({ held, payload: held.json() }, false);  // not cloned: `held` is not plain data
  }
})().catch((error) => node.error(error));
"""
CLOSE = 'const connection = context.get("connection"); if (connection) { connection.close(); }'
ACK = """
if (msg.statusCode !== undefined && msg.statusCode !== 202) {
  msg.held.nak(1000);
  return null;
}
msg.held.ack();
return null;
"""
BODY = """{
  "routing_key": "{{{env.PEER_ROUTING_KEY}}}",
  "event_action": "{{#failed}}trigger{{/failed}}{{^failed}}resolve{{/failed}}",
  "dedup_key": "{{{data.project}}}/{{{data.stage}}}/{{{data.service}}}",
  "payload": {
    "summary": "Evaluation of {{{data.service}}} in {{{data.stage}}}: {{{data.result}}}",
    "severity": "{{#failed}}critical{{/failed}}{{^failed}}info{{/failed}}",
    "source": "{{{payload.source}}}",
    "custom_details": {
      "message": {{{message}}},
      "score": {{{data.evaluation.score}}},
      "from": "{{{data.evaluation.timeStart}}}",
      "to": "{{{data.evaluation.timeEnd}}}",
      "build": "{{{data.labels.build}}}",
      "context": "{{{payload.shkeptncontext}}}"
    }
  }
}"""
# Mustache has no JSON escaping: the one text that needs it is prepared here, with the comparison.
PREPARE = """
msg.data = msg.payload.data;
msg.failed = msg.payload.data.result === "fail";
msg.message = JSON.stringify(msg.payload.data.message);
msg.headers = { "Content-Type": "application/json" };
return msg;
"""


def flow() -> list[dict[str, object]]:
    """The nodes; Node-RED itself puts environment variables in."""
    place = {"z": "flow", "x": 0, "y": 0}
    function = {**place, "type": "function", "outputs": 1, "timeout": 0, "noerr": 0, "libs": []}
    return [
        {"id": "flow", "type": "tab", "label": "PagerDuty", "disabled": False},
        {
            **function,
            "id": "receive",
            "func": "return msg;",
            "initialize": RECEIVE,
            "finalize": CLOSE,
            "wires": [["route"]],
        },
        {
            **place,
            "id": "route",
            "type": "switch",
            "property": "payload.type",
            "propertyType": "msg",
            "rules": [{"t": "eq", "v": "${PEER_TYPE}", "vt": "str"}, {"t": "else"}],
            "checkall": "false",
            "repair": False,
            "outputs": 2,
            "wires": [["prepare"], ["ack"]],
        },
        {**function, "id": "prepare", "func": PREPARE, "wires": [["body"]]},
        {
            **place,
            "id": "body",
            "type": "template",
            "field": "payload",
            "fieldType": "msg",
            "format": "handlebars",
            "syntax": "mustache",
            "template": BODY,
            "output": "str",
            "wires": [["post"]],
        },
        {
            **place,
            "id": "post",
            "type": "http request",
            "method": "POST",
            "ret": "txt",
            "paytoqs": "ignore",
            "url": "${PEER_ENQUEUE}",
            "persist": True,
            "senderr": False,
            "headers": [],
            "wires": [["ack"]],
        },
        {**function, "id": "ack", "func": ACK, "outputs": 0, "wires": []},
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(flow(), indent=1))
