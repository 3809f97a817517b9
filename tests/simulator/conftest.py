"""Fixtures of the simulator's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sim_bodies import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def raises_nothing_unseen(caplog: pytest.LogCaptureFixture) -> Callable[[], None]:
    """Call it at the end: the web server logged no error meanwhile."""

    def check() -> None:
        assert [record.getMessage() for record in caplog.records if record.levelno >= 30] == []

    return check
