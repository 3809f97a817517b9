"""What a condition or an action looked at in an event before it said no: for people who ask why.

Rules: only what the template names is told, a few fields, each cut to a line.
"""

from __future__ import annotations

from subscriber.config import RuleSpec
from subscriber.model import Json, Reason, excerpt
from subscriber.rules.match import is_absent, look_up
from subscriber.rules.ruleset import bare
from subscriber.template.outline import outline, outline_condition

_MOST = 8


def looked_at(spec: RuleSpec, reason: Reason, document: dict[str, Json]) -> list[str]:
    """One sentence for each field that decided, like ``data.stage is 'dev'``.

    Args:
        spec: the rule.
        reason: why it does not apply; only CONDITION_FALSE and ACTION_EMPTY look at templates.
        document: the event, as templates see it.
    """
    dialect = spec.dialect or "go"
    if reason is Reason.CONDITION_FALSE and spec.when is not None:
        reads = outline_condition(bare(spec.when), dialect=dialect)[0].reads
    elif reason is Reason.ACTION_EMPTY and spec.action is not None:
        reads = outline(spec.action, dialect=dialect).reads
    else:
        return []
    told = []
    for path in sorted(reads)[:_MOST]:
        value = look_up(document, path)
        told.append(f"{'.'.join(path)} is {'absent' if is_absent(value) else excerpt(value)}")
    return told
