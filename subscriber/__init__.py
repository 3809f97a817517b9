"""A NATS subscriber that turns delivery CloudEvents into PagerDuty alerts and change events."""
