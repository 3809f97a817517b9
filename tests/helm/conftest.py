"""Ends the Helm process of this test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chart_world import end_helm4


@pytest.fixture(scope="session", autouse=True)
def helm4_ends() -> Iterator[None]:
    yield
    end_helm4()
