"""What clients see of a fault: a short version of `python -m tests.hostile faults`."""

from __future__ import annotations

import asyncio

import pytest

from tests.hostile.faults import suffer


@pytest.mark.parametrize("fault", ["dies", "NaN", "SIGTERM", "disk full"])
def test_nothing_is_lost_and_the_server_comes_back(fault: str) -> None:
    row = asyncio.run(suffer(fault, lasts_s=0.4))

    assert row.lost == 0, row.cells()
    assert row.recovered
