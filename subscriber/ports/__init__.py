"""The one floor that touches the world: NATS, HTTP, files, the clock.

`interfaces` says what the inside may ask. `nats/` and `http` answer for real, `memory/` holds a
twin of each port that passes the same contract tests, `embedded` runs a nats-server as a child.
Only here are nats-py, httpx and aiohttp imported, and their exceptions stay here.
"""

import sys

# httpx imports its own command line with all that this needs (rich, pygments, click), unless it
# cannot be imported: 35 ms of the start and 3 MB.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
