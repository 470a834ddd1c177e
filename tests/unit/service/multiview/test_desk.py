from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

from takt.multiview.desk import PartDesk
from takt.multiview.open_parts import ViewWish
from takt.multiview.result import PartResult
from takt.peers import Alone
from tests.unit.service.multiview.test_open_parts import revision_of


async def test_whoever_waits_for_a_part_has_its_result_though_its_id_stands_for_another() -> None:
    revision = revision_of(1, "top", "side", deadline_ms=60_000)
    book = Mock(load=AsyncMock(), current=lambda name: revision)
    desk = PartDesk(book, Alone(), lambda result: None, AsyncMock(return_value=0))
    first = await desk.claim(ViewWish("A", "top", "bracket", "first"))
    waiting = asyncio.create_task(desk.find("A", wait_s=0.5))
    while not desk._ends:
        await asyncio.sleep(0)

    ended = await desk.end("A")
    next_one = await desk.claim(ViewWish("A", "top", "bracket", "next", again=True))

    found = await waiting
    assert isinstance(found, PartResult)
    assert (found, found.number) == (ended, first.number)
    assert next_one.number > first.number
    desk.close()
