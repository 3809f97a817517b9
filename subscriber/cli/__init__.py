"""The command line: one file per verb; each parses, calls, prints and sets the exit code.

Rules: exit 0 done, 1 the thing asked about is not so, 2 wrong use or wrong configuration, 130
interrupted. Verbs import what they need when they run, so that `--help` stays quick.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; the entry point of `pagerduty-subscriber`."""
    # Importing makes 300,000 objects and no garbage: looking for some every 700 takes a fifteenth
    # of the start. The service puts what it started with aside (see session).
    gc.set_threshold(20_000, 20, 20)
    from subscriber.cli.app import app  # noqa: PLC0415 - keeps `import subscriber.cli` free

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
