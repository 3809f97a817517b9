"""The one door to NATS. nats-py's names and exceptions do not leave this package."""
