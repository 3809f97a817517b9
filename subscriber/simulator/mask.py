"""Mask: how a routing key is shown: enough to tell two apart, too little to use.

Every view and line of the simulator goes through here, because people paste real keys into
stand-ins too, and their clients may repeat a key in a summary or a detail.
"""

from __future__ import annotations

MASK = "****"


def mask(key: object) -> str | None:
    """The last four characters behind stars; stars alone for short ones; None for no key."""
    if not isinstance(key, str):
        return None
    return MASK + key[-4:] if len(key) >= 12 else MASK


def hide(text: str, key: str | None) -> str:
    """The text with the key masked wherever it stands."""
    # A short, malformed key could be any word; masking it everywhere would garble the text.
    return text.replace(key, str(mask(key))) if key is not None and len(key) >= 12 else text
