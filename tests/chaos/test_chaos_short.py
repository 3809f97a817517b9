"""The short chaos run; `make chaos` is the long one. CHAOS_SEED plays another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos_run import Run, short

pytestmark = [pytest.mark.live, pytest.mark.chaos, pytest.mark.timeout(110)]


async def test_nothing_is_lost_duplicated_or_reordered(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    record = await Run(short(seed), tmp_path).play()
    print(record.report())
    assert record.verdict.clean, record.report()
    # a run in which nothing happened would prove nothing
    assert record.verdict.apart["of them met by a fault"] > 30
    assert record.verdict.apart["times an event was put off"] > 100
    assert "kill -9" in record.facts["troubles"]
