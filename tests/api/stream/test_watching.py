"""Streams are listed and watched."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import cv2
import numpy as np
import pytest

from takt.parts.composing.assembly import foundation_of
from takt.streaming.sessions import MOST_WATCHERS
from takt_client.pictures import RawPicture
from tests.api.apps import until
from tests.api.keys import bearer, file_without
from tests.api.stream.socket import Closed, Socket, connect


def path_of(welcome: dict[str, str]) -> str:
    return f"/v1/streams/{welcome['session'][:8]}/watch"


@asynccontextmanager
async def watched(client, **wishes):
    """A stream, and one who watches it and has read what stream it is."""
    async with connect(client) as stream:
        path = path_of(await stream.hello(**wishes))
        async with connect(client, path) as watcher:
            assert (await watcher.hear())["type"] == "watching"
            yield stream, watcher


async def test_a_stream_is_listed_without_its_key(serve, picture_bytes) -> None:
    async with serve() as client:
        assert (await client.get("/v1/streams")).json() == {"streams": []}
        async with connect(client, x_takt_lot="L3") as stream:
            welcome = await stream.hello(policy="latest", station="press 3")
            stream.frame(0, picture_bytes(200))
            await stream.hear()
            stream.say("part", part="A-17")
            await until(lambda: not stream._to_app.qsize())
            answer = await client.get("/v1/streams")
            (one,) = answer.json()["streams"]
            assert welcome["session"] not in answer.text
            assert one.pop("since").endswith("Z")
            assert one == {
                "id": welcome["session"][:8],
                "model": "parts",
                "version": None,
                "policy": "latest",
                "station": "press 3",
                "part": "A-17",
                "caller": "anyone",
                "connected": True,
                "watchers": 0,
                "counts": {
                    "frames": 1,
                    "answered": 1,
                    "errors": 0,
                    "dropped": 0,
                    "anomalous": 1,
                    "undecided": 0,
                },
            }


async def test_a_lost_stream_is_listed_until_it_ends(serve) -> None:
    async with serve() as client:
        async with connect(client) as stream:
            await stream.hello()
            stream.close(1006)
            await stream.task
            (one,) = (await client.get("/v1/streams")).json()["streams"]
            assert one["connected"] is False
        async with connect(client) as stream:
            await stream.hello(session=None)
            stream.say("bye")
            await stream.until_closed()
        assert len((await client.get("/v1/streams")).json()["streams"]) == 1


async def test_who_watches_sees_the_answer_and_the_picture_as_it_came(serve, bad_part) -> None:
    async with serve() as client, watched(client, heatmap="overlay") as (stream, watcher):
        stream.frame(4, bad_part)
        answer = await stream.hear()
        overlay = (await stream.raw())["bytes"]
        shown = await watcher.hear()
        assert shown["frame"] == answer
        assert shown["frame"]["regions"]
        assert shown["counts"]["anomalous"] == 1
        assert shown["skipped"] == []
        assert shown["picture"] == {"media_type": "image/png", "bytes": len(bad_part)}
        assert (await watcher.raw())["bytes"] == bad_part
        assert (await watcher.raw())["bytes"] == overlay


async def test_a_watcher_sees_the_newest_frame_once_it_has_shown_the_one_before(
    serve, picture_bytes
) -> None:
    async with serve() as client, watched(client) as (stream, watcher):
        for sequence, level in enumerate((50, 200, 50, 50)):
            stream.frame(sequence, picture_bytes(level))
            await stream.hear()
        assert (await watcher.hear())["frame"]["sequence"] == 0
        await watcher.raw()
        assert watcher._from_app.empty()
        watcher.say("shown")
        shown = await watcher.hear()
        assert shown["frame"]["sequence"] == 3
        assert [(one["sequence"], one["anomalous"]) for one in shown["skipped"]] == [
            (1, True),
            (2, False),
        ]


async def test_raw_pixels_are_shown_as_a_jpeg_and_a_frame_that_failed_without_one(serve) -> None:
    async with serve() as client, watched(client) as (stream, watcher):
        stream.frame(0, RawPicture(bytes([90]) * 48 * 64 * 3, 64, 48, "rgb8"))
        assert (await watcher.hear())["picture"]["media_type"] == "image/jpeg"
        data = (await watcher.raw())["bytes"]
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
        watcher.say("shown")
        stream.frame(1, b"no picture")
        shown = await watcher.hear()
        assert (shown["frame"]["code"], shown["picture"]) == ("invalid_image", None)


async def test_what_is_watched_counts_as_memory_and_is_given_back(serve, picture_bytes) -> None:
    async with serve() as client:
        memory = foundation_of(client._transport.app).memory
        async with watched(client) as (stream, watcher):
            stream.frame(0, picture_bytes())
            await watcher.hear()
            await watcher.raw()
            assert memory.in_use_bytes == len(picture_bytes())
        await until(lambda: memory.in_use_bytes == 0)


async def test_a_watcher_is_told_that_the_stream_has_ended(serve, picture_bytes) -> None:
    async with serve() as client, watched(client) as (stream, watcher):
        stream.frame(0, picture_bytes())
        await watcher.hear()
        await watcher.raw()
        stream.say("bye")
        (ended,), code = await watcher.until_closed()
        assert (ended["type"], ended["stats"]["frames"], code) == ("ended", 1, 1000)


async def test_watchers_leave_when_the_server_closes(serve) -> None:
    async with serve() as client, watched(client) as (stream, watcher):
        closing = asyncio.create_task(foundation_of(client._transport.app).sessions.close(60.0))
        assert (await stream.until_closed())[1] == 1001
        (ended,), code = await watcher.until_closed()
        assert (ended["type"], code) == ("ended", 1001)
        await closing


async def test_a_watcher_that_leaves_ends_nothing_else(serve, picture_bytes) -> None:
    async with serve() as client, watched(client) as (stream, watcher):
        watcher.close()
        await watcher.task
        stream.frame(0, picture_bytes())
        assert (await stream.hear())["sequence"] == 0
        assert (await client.get("/v1/streams")).json()["streams"][0]["watchers"] == 0


@pytest.mark.parametrize("said", ['{"type": "hello"}', '{"type": "shown"}', "[]", b"TK"])
async def test_who_says_anything_else_is_told_so_and_closed(serve, said) -> None:
    async with serve() as client, watched(client) as (_, watcher):
        watcher.binary(said) if isinstance(said, bytes) else watcher.text(said)
        (error,), code = await watcher.until_closed()
        assert (error["code"], code) == ("bad_request", 1008)


async def test_a_stream_that_is_not_there_is_told_so(serve) -> None:
    async with serve() as client, connect(client, "/v1/streams/none/watch") as watcher:
        (error,), code = await watcher.until_closed()
        assert (error["code"], error["status"], code) == ("stream_not_found", 404, 1008)


async def test_the_whole_key_watches_nothing(serve) -> None:
    async with serve() as client, connect(client) as stream:
        welcome = await stream.hello()
        async with connect(client, f"/v1/streams/{welcome['session']}/watch") as watcher:
            assert (await watcher.hear())["code"] == "stream_not_found"


async def test_only_so_many_watch_at_the_same_time(serve) -> None:
    async with serve() as client, connect(client) as stream:
        app, path = client._transport.app, path_of(await stream.hello())
        watchers = [Socket(app, path, {"host": "takt"}) for _ in range(MOST_WATCHERS + 1)]
        for watcher in watchers:
            assert (await watcher.raw())["type"] == "websocket.accept"
        for watcher in watchers[:-1]:
            assert (await watcher.hear())["type"] == "watching"
        (error,), code = await watchers[-1].until_closed()
        assert (error["status"], code) == (503, 1013)
        for watcher in watchers[:-1]:
            watcher.close()
            await watcher.task


async def test_a_watcher_ends_with_its_key_and_the_stream_goes_on(
    serve, tmp_path, picture_bytes
) -> None:
    keys_file = tmp_path / "keys.toml"
    keys_file.write_bytes(file_without())
    async with serve(keys_file=keys_file) as client, connect(client, **bearer("all")) as stream:
        path = path_of(await stream.hello())
        async with connect(client, path, **bearer("scraper")) as watcher:
            about = await watcher.hear()
            assert about["stream"]["caller"] == "all"
            keys_file.write_bytes(file_without("scraper"))
            (error,), code = await watcher.until_closed()
            assert (error["code"], code) == ("unauthenticated", 1008)
        stream.frame(0, picture_bytes())
        assert (await stream.hear())["sequence"] == 0


async def test_a_stream_that_is_gone_on_with_is_watched_on(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as lost:
        welcome = await lost.hello()
        async with connect(client, path_of(welcome)) as watcher:
            await watcher.hear()
            lost.close(1006)
            await lost.task
            async with connect(client) as again:
                await again.hello(session=welcome["session"])
                again.frame(0, picture_bytes())
                assert (await watcher.hear())["frame"]["sequence"] == 0
                await watcher.raw()
                again.say("bye")
                await again.until_closed()
            with pytest.raises(Closed):
                while json.dumps(await watcher.hear()):
                    pass
