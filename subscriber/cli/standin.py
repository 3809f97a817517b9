"""Whether the simulator is there: an installation for production may leave it out.

Rules: verbs ask here before they import `subscriber.simulator`, and import it only when it is
wanted. Nothing else may depend on it.
"""

from __future__ import annotations

from importlib.util import find_spec

from subscriber.model import Problem, Reason


def demand_simulator(why: str) -> None:
    """Go on only where the simulator is installed.

    Args:
        why: what asks for it, for the message.

    Raises:
        Problem: MISSING_PROGRAM when it is not.
    """
    if find_spec("subscriber.simulator") is None:
        raise Problem(
            Reason.MISSING_PROGRAM,
            "the simulator is not part of this installation (the container image leaves it out)",
            where=why,
            hint="to page for real: PAGERDUTY_ROUTING_KEY, or `services` in the configuration; to "
            "try things out: pip install pagerduty-subscriber",
        )
