"""What runs: the composition root, the pump, the courier, and everything they tell people.

structlog is imported here first, without rich: it would take rich, and with that pygments, for
drawing tracebacks, which are text before they get there (see `journal`): 4 MB and 25 ms.
"""

import sys

_RICH = "rich"
if _RICH not in sys.modules:
    sys.modules[_RICH] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules[_RICH]
