"""What clients see of a fault: a short version of `python -m tests.hostile faults`."""

from __future__ import annotations

import asyncio

import pytest

from tests.hostile.faults import Row, suffer

NAMES = ("dies", "NaN", "SIGTERM", "disk full")


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """Each fault on a server of its own, all at the same time, as they mostly wait."""

    async def suffer_all() -> list[Row]:
        return await asyncio.gather(*(suffer(name, lasts_s=0.4) for name in NAMES))

    return dict(zip(NAMES, asyncio.run(suffer_all()), strict=True))


@pytest.mark.parametrize("fault", NAMES)
def test_nothing_is_lost_and_the_server_comes_back(fault: str, rows: dict[str, Row]) -> None:
    row = rows[fault]

    assert row.lost == 0, row.cells()
    assert row.recovered
