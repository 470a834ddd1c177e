"""Streams of several workers: all are listed, and one that goes on elsewhere is let go of."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import httpx

from tests.api.stream.socket import Socket, connect
from tests.api.together.conftest import ServeTogether
from tests.linked import Worker


def stream_at(worker: Worker) -> AbstractAsyncContextManager[Socket]:
    return connect(worker.client)


async def listed(client: httpx.AsyncClient) -> list[tuple[str, bool]]:
    streams = (await client.get("/v1/streams")).json()["streams"]
    return [(one["id"], one["connected"]) for one in streams]


async def test_the_streams_of_all_workers_are_listed_by_each(serve_together: ServeTogether) -> None:
    async with serve_together() as workers:
        async with stream_at(workers[0]) as first, stream_at(workers[1]) as second:
            ids = [(await socket.hello())["session"][:8] for socket in (first, second)]
            for worker in workers:
                assert await listed(worker.client) == [(one, True) for one in ids]
        assert await listed(workers[0].client) == []


async def test_a_stream_that_goes_on_at_another_worker_is_not_resumed_and_leaves_nothing_behind(
    serve_together: ServeTogether,
) -> None:
    async with serve_together() as workers:
        async with stream_at(workers[0]) as first:
            session = (await first.hello())["session"]
            first.close(1006)
            await first.task
        assert await listed(workers[0].client) == [(session[:8], False)]
        async with stream_at(workers[1]) as second:
            welcome = await second.hello(session=session, last_sequence=7)
            assert (welcome["resumed"], welcome["next_sequence"]) == (False, 8)
            assert await listed(workers[0].client) == [(welcome["session"][:8], True)]


async def test_a_connection_that_is_there_still_ends_when_its_stream_goes_on_elsewhere(
    serve_together: ServeTogether,
) -> None:
    async with (
        serve_together() as workers,
        stream_at(workers[0]) as first,
        stream_at(workers[1]) as second,
    ):
        session = (await first.hello())["session"]
        welcome = await second.hello(session=session)
        assert welcome["resumed"] is False
        heard, code = await first.until_closed()
        assert "taken this stream over" in heard[-1]["detail"]
        assert code == 1008
        assert await listed(workers[0].client) == [(welcome["session"][:8], True)]
