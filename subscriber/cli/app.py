"""The whole command line as one value, for who looks at all of it: the tests do."""

from __future__ import annotations

from subscriber.cli.verbs import VERBS, command_line

app = command_line(VERBS)
