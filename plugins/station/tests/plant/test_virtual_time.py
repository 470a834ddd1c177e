from __future__ import annotations

import asyncio
import math

import pytest

from takt_station.plant.virtual_time import VirtualTimeLoop, run_virtual


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


def test_whoever_acts_knows_when_somebody_else_does_next() -> None:
    async def sleep() -> None:
        await asyncio.sleep(600)

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        until_s = [loop.quiet_until_s()]
        other = asyncio.create_task(sleep())
        until_s.append(loop.quiet_until_s())
        await asyncio.sleep(0)
        until_s.append(loop.quiet_until_s())
        await other
        return until_s

    assert run_virtual(main()) == pytest.approx([math.inf, 0.0, 600.0], abs=1e-6)
