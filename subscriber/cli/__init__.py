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
    from subscriber.cli.verbs import VERBS, command_line  # noqa: PLC0415 - only when called

    try:
        named = [verb for verb in sys.argv[1:2] if verb in VERBS]
        command_line(named or VERBS)()
    except KeyboardInterrupt:
        sys.exit(130)
