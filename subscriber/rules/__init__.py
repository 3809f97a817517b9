"""What must be said: rules, matching, and the making of intents. Pure."""

from subscriber.rules.compose import Arrival, Trace, explain, plan
from subscriber.rules.ruleset import DEFAULT_SERVICE, RuleSet, RuleSource, compile_rules

__all__ = [
    "DEFAULT_SERVICE",
    "Arrival",
    "RuleSet",
    "RuleSource",
    "Trace",
    "compile_rules",
    "explain",
    "plan",
]
