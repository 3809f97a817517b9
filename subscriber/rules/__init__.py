"""What must be said: rules, matching, and the making of intents. Pure."""

from subscriber.rules.compose import Outline, explain, outline, plan
from subscriber.rules.ruleset import DEFAULT_SERVICE, RuleSet, RuleSource, compile_rules
from subscriber.rules.trace import Trace

__all__ = [
    "DEFAULT_SERVICE",
    "Outline",
    "RuleSet",
    "RuleSource",
    "Trace",
    "compile_rules",
    "explain",
    "outline",
    "plan",
]
