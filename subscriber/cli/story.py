"""The sample delivery: one release that goes wrong and is mended, told in shipped case files.

Rules: every event is a case of a shipped rule with a fresh id and the present time, so that what
the newcomer sees is what the golden tests hold. Each step says what PagerDuty must hold after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from subscriber.service.cases import Case
from subscriber.service.rulebook import packs_folder
from subscriber.service.samples import fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of the story.

    Attributes:
        says: what happens, for the person who watches.
        case: which shipped case, ``<pack>/<rule>/<case>``; empty: `raw` is published.
        raw: a message that is no case.
        subject: where a raw message is published.
        alerts: dedup key -> state (``triggered``, ``resolved``) that PagerDuty must hold after it.
        changes: how many change events PagerDuty must have got by then.
        dead_letters: how many dead letters must have been written by then.
    """

    says: str
    case: str = ""
    raw: bytes = b""
    subject: str = ""
    alerts: Mapping[str, str] = field(default_factory=dict)
    changes: int = 0
    dead_letters: int = 0


EVALUATION = "webshop/production/checkout/evaluation"
DEPLOYMENT = "webshop/production/checkout/deployment"
PIPELINE = "pipelinerun:/ci/tekton-eu1#release-checkout"

DELIVERY = (
    Step(
        says="A new version of checkout is deployed to production",
        case="keptn/deployment/pass",
        alerts={DEPLOYMENT: ""},
        changes=1,
    ),
    Step(
        says="Its evaluation fails: somebody must be woken",
        case="keptn/evaluation/fail",
        alerts={EVALUATION: "triggered"},
        changes=1,
    ),
    Step(
        says="The next deployment does not come up at all",
        case="keptn/deployment/fail",
        alerts={EVALUATION: "triggered", DEPLOYMENT: "triggered"},
        changes=2,
    ),
    Step(
        says="A broken event comes along: named, kept as a dead letter, nothing stops",
        raw=b'{"specversion": "1.0", "type": "sh.keptn.event.deployment.finished", "id": ',
        subject="sh.keptn.event.deployment.finished",
        alerts={EVALUATION: "triggered", DEPLOYMENT: "triggered"},
        changes=2,
        dead_letters=1,
    ),
    Step(
        says="The pipeline run of the fix fails in CI (a CDEvent this time)",
        case="cdevents/pipelinerun/failure-0.5",
        alerts={PIPELINE: "triggered"},
        changes=2,
        dead_letters=1,
    ),
    Step(
        says="... and succeeds when run again",
        case="cdevents/pipelinerun/success-0.5",
        alerts={PIPELINE: "resolved"},
        changes=2,
        dead_letters=1,
    ),
    Step(
        says="The fixed version is deployed",
        case="keptn/deployment/pass",
        alerts={DEPLOYMENT: "resolved", EVALUATION: "triggered"},
        changes=3,
        dead_letters=1,
    ),
    Step(
        says="Its evaluation passes: everything is resolved",
        case="keptn/evaluation/pass",
        alerts={DEPLOYMENT: "resolved", EVALUATION: "resolved", PIPELINE: "resolved"},
        changes=3,
        dead_letters=1,
    ),
)


def message(step: Step, now: datetime | None = None) -> tuple[str, bytes]:
    """The subject and the body to publish for a step."""
    if not step.case:
        return step.subject, step.raw
    pack, rule, name = step.case.split("/")
    folder = packs_folder() / pack / rule / "cases"
    return fresh(Case(rule=f"{pack}/{rule}", name=name, folder=folder), now=now)
