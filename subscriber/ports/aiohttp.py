"""aiohttp, imported without a trust store that nobody uses; before all others who import it.

aiohttp reads the system's certificates while it is imported, for connections that bring no TLS
context of their own. All of ours bring one (see `outward`), so that store would only cost: 27 ms of
the start and 2 MB, for 144 certificates. Meanwhile it gets a context that trusts nobody: whoever
relies on aiohttp's own one day is refused, not deceived.
"""

from __future__ import annotations

import ssl


def _trusting_nobody(*_: object, **__: object) -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, against an empty store


_ordinary = ssl.create_default_context
ssl.create_default_context = _trusting_nobody
try:
    import aiohttp
finally:
    ssl.create_default_context = _ordinary

__all__ = ["aiohttp"]
