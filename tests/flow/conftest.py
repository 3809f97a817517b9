"""`pytest tests/flow --flow-seed "crashes:123"` plays one history again and prints it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--flow-seed", default="", help="play one history again, e.g. 'crashes and freezes:4711'"
    )


@pytest.fixture
def flow_seed(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--flow-seed", default="") or "")
