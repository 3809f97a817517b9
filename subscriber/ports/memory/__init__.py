"""The twins: every port again, in memory. They pass the contract tests of the real ones.

For tests without sockets, and for running where there is nothing to keep state in (plain NATS).
"""

from subscriber.ports.memory.archive import MemoryArchive
from subscriber.ports.memory.clock import ManualClock
from subscriber.ports.memory.deadletters import MemoryDeadLetters
from subscriber.ports.memory.ledger import MemoryLedger
from subscriber.ports.memory.sender import MemorySender
from subscriber.ports.memory.stream import (
    MemoryHistory,
    MemoryPublisher,
    MemorySource,
    MemoryStream,
)

__all__ = [
    "ManualClock",
    "MemoryArchive",
    "MemoryDeadLetters",
    "MemoryHistory",
    "MemoryLedger",
    "MemoryPublisher",
    "MemorySender",
    "MemorySource",
    "MemoryStream",
]
