"""What is allowed and probably not meant: rules that cannot do what they look like.

Rules: pure; configuration and rules that compile come in, findings come out. A finding is only made
when it holds for every event that a producer could send; where the outline of a template says "not
known", nothing is found. Only what the person wrote is judged, not what is shipped, unless asked.

This module does not know how findings are shown, nor which of them are errors.
"""

from subscriber.rules.lint.finding import Finding, Lint, allowed
from subscriber.rules.lint.whole import lint, lint_rules

__all__ = ["Finding", "Lint", "allowed", "lint", "lint_rules"]
