"""A stream to a real server process, over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from takt_client.pictures import pack_frame

Message = dict[str, Any]


@asynccontextmanager
async def stream(url: str, **hello: Any) -> AsyncIterator[ClientConnection]:
    address = url.replace("http", "ws", 1) + "/v1/models/parts/stream"
    async with asyncio.timeout(60), connect(address, proxy=None) as socket:
        await socket.send(json.dumps({"type": "hello", **hello}))
        assert (await hear(socket))["type"] == "welcome"
        yield socket


async def hear(socket: ClientConnection) -> Message:
    return json.loads(await socket.recv())


async def until_bye(socket: ClientConnection) -> list[Message]:
    heard = [await hear(socket)]
    while heard[-1]["type"] != "bye":
        heard.append(await hear(socket))
    return heard


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_two_hundred_frames_come_back_in_order_and_uncompressed(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    pictures = [picture_bytes(50, ".jpg", size=(640, 480)), picture_bytes(200, ".jpg")]

    async def test() -> None:
        async with stream(server.url, policy="all") as socket:
            assert socket.response is not None
            assert "Sec-WebSocket-Extensions" in socket.request.headers
            assert "Sec-WebSocket-Extensions" not in socket.response.headers

            async def send() -> None:
                for sequence in range(200):
                    await socket.send(pack_frame(sequence, 0, pictures[sequence % 2]))
                await socket.send('{"type": "bye"}')

            sending = asyncio.create_task(send())
            heard = await until_bye(socket)
            await sending
            bye = heard.pop()
            assert [message["sequence"] for message in heard] == list(range(200))
            assert [message["anomalous"] for message in heard] == [False, True] * 100
            assert bye["stats"]["answered"] == 200
            assert bye["stats"]["dropped"] == 0
            await socket.wait_closed()
            assert socket.close_code == 1000

    with fork_server(repository) as server:
        run(test)
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)


def test_a_slow_engine_gets_the_newest_frames_only(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    slow = picture_bytes(50, ".png", size=(4000, 3000))

    async def test() -> None:
        async with stream(server.url, policy="latest") as socket:
            for sequence in range(30):
                await socket.send(pack_frame(sequence, 0, slow))
            await socket.send('{"type": "bye"}')
            *heard, bye = await until_bye(socket)
            answers = [message["sequence"] for message in heard if message["type"] == "answer"]
            dropped = [message["sequence"] for message in heard if message["type"] == "dropped"]
            assert sorted(answers + dropped) == list(range(30))
            assert answers == sorted(answers)
            assert answers[0] == 0
            assert answers[-1] == 29
            assert len(dropped) > len(answers)
            assert bye["stats"]["dropped"] == len(dropped)

    with fork_server(repository) as server:
        run(test)


def test_a_stopped_server_answers_the_frames_it_accepted_and_goes_away(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    slow = picture_bytes(50, ".png", size=(3000, 2000))

    async def test() -> None:
        async with stream(server.url) as socket:
            for sequence in range(4):
                await socket.send(pack_frame(sequence, 0, slow))
            await socket.send('{"type": "stats"}')
            heard = [await hear(socket)]
            while heard[-1]["type"] != "stats":
                heard.append(await hear(socket))
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                while True:
                    heard.append(await hear(socket))
            answers = [message["sequence"] for message in heard if message["type"] == "answer"]
            assert answers == [0, 1, 2, 3]
            assert socket.close_code == 1001

    with fork_server(repository) as server:
        run(test)
        assert server.process.wait(timeout=60) in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)


def test_a_message_over_the_limit_closes_the_stream_and_a_foreign_page_gets_none(
    fork_server, bundle, repository: Path
) -> None:
    async def test() -> None:
        async with stream(server.url) as socket:
            await socket.send(pack_frame(0, 0, b"\0" * 100_001))
            with pytest.raises(ConnectionClosed):
                await hear(socket)
            assert socket.close_code == 1009
        address = server.url.replace("http", "ws", 1) + "/v1/models/parts/stream"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, proxy=None, origin="https://elsewhere.example")
        assert refused.value.response.status_code == 403
        assert b"allowed_origins" in refused.value.response.body
        async with connect(address, proxy=None, origin=server.url):
            pass

    with fork_server(repository, "--max-image-bytes", "100000") as server:
        run(test)
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)
