"""Mask: how a routing key is shown: enough to tell two apart, too little to use.

Every view, log line and repr of the simulator shows keys through here, because people paste real
keys into stand-ins too.
"""

from __future__ import annotations

MASK = "****"


def mask(key: object) -> str | None:
    """The last four characters behind stars; stars alone for short ones; None for no key."""
    if not isinstance(key, str):
        return None
    return MASK + key[-4:] if len(key) >= 12 else MASK
