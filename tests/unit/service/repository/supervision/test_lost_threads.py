from __future__ import annotations

import asyncio

from takt.repository.supervision.lost_threads import LostThreads


async def test_as_many_threads_as_are_too_many_must_hang_at_the_same_time() -> None:
    lost = LostThreads(most=3)
    ends = [asyncio.get_running_loop().create_future() for _ in range(5)]
    for ended in ends[:2]:
        lost.add(ended)
    ends[0].set_result(None)
    await asyncio.sleep(0)
    lost.add(ends[2])
    assert (len(lost), lost.too_many.is_set()) == (2, False)
    lost.add(ends[3])
    assert (len(lost), lost.too_many.is_set()) == (3, True)
    assert ends[3] in lost
    assert ends[0] not in lost


async def test_a_thread_that_has_ended_is_not_lost() -> None:
    lost = LostThreads(most=1)
    ended = asyncio.get_running_loop().create_future()
    ended.set_result(None)
    lost.add(ended)
    assert (len(lost), lost.too_many.is_set()) == (0, False)
