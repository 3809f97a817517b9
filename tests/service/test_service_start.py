"""A start that meets a NATS between two leaders tries again, and gives up with a named reason."""

from __future__ import annotations

import pytest
from service_world import KEY, RULES

from subscriber.config import load_config
from subscriber.model import Problem, Reason
from subscriber.pagerduty import Accounts, account
from subscriber.ports.http import SenderOptions
from subscriber.ports.interfaces import PortUnavailable
from subscriber.ports.nats.options import NatsOptions
from subscriber.service.app import Service, Setup
from subscriber.service.meters import Meters
from subscriber.service.rulebook import load_rules


def service(startup_timeout: float) -> Service:
    config, document = load_config(RULES)
    setup = Setup(
        config=config,
        rules=load_rules(config, document),
        accounts=Accounts([account("default", KEY, events_url="http://127.0.0.1:1")]),
        nats=NatsOptions(startup_timeout=startup_timeout),
        sender=SenderOptions(),
    )
    return Service(setup, meters=Meters(), observers=())


class Step:
    """A step of the start that fails so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise PortUnavailable("NATS: the connection broke")


async def test_a_step_is_tried_again_while_nats_stumbles() -> None:
    step = Step(failures=2)
    await service(5.0)._insist(step)
    assert step.calls == 3


async def test_a_nats_that_stays_unusable_ends_the_start_with_its_reason() -> None:
    step = Step(failures=1000)
    with pytest.raises(Problem) as found:
        await service(1.2)._insist(step)
    assert found.value.reason is Reason.UNREACHABLE
    assert "the connection broke" in str(found.value)
    assert 2 <= step.calls <= 4
