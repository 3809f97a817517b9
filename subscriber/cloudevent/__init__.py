"""CloudEvents: reading what NATS handed over, writing what we publish.

`decode` and `decode_each` turn an Envelope into checked Events, `peek_type` finds an event's type
without reading it whole, `encode` writes an Event. What is accepted is told in docs/events.md.
"""

from subscriber.cloudevent.decode import SIZE_LIMIT, decode, decode_each
from subscriber.cloudevent.encode import Encoded, Mode, encode
from subscriber.cloudevent.peek import peek_type

__all__ = ["SIZE_LIMIT", "Encoded", "Mode", "decode", "decode_each", "encode", "peek_type"]
