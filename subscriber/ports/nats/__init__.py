"""The one door to NATS. nats-py's names and exceptions do not leave this package."""

import subscriber.ports.aiohttp  # noqa: F401 - nats-py imports it, for ws:// and wss://
