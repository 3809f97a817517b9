"""The command line: one file per verb; each parses, calls, prints and sets the exit code.

Rules: exit 0 done, 1 the thing asked about is not so, 2 wrong use or wrong configuration, 130
interrupted. Verbs import what they need when they run, so that `--help` stays quick.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the entry point of `pagerduty-subscriber`."""
    from subscriber.cli.app import app  # noqa: PLC0415 - keeps `import subscriber.cli` free

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
