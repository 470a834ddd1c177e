from __future__ import annotations

import asyncio

import pytest

from service.station.plant.virtual_time import run_virtual


def test_hours_pass_at_once_and_in_order() -> None:
    woken: list[str] = []

    async def sleep(name: str, hours: float) -> None:
        await asyncio.sleep(hours * 3600)
        woken.append(name)

    async def main() -> float:
        await asyncio.gather(sleep("late", 24), sleep("early", 1), sleep("noon", 12))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(24 * 3600)
    assert woken == ["early", "noon", "late"]


def test_timeouts_go_by_the_time_that_passes() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.sleep(601)

    run_virtual(main())


def test_whoever_waits_for_nothing_is_told_so() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="for nothing that time brings"):
        run_virtual(main())
