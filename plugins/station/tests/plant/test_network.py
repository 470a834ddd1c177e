from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from takt_station.plant.network import Cable


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def say(port: int, what: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(what)
        return await reader.read(100)
    finally:
        writer.transport.abort()


async def test_a_cable_carries_both_ways() -> None:
    async with echo() as port, Cable(port) as cable:
        assert await say(cable.port, b"hello") == b"hello"


async def test_a_cable_that_is_cut_carries_nothing_and_ends_who_is_connected() -> None:
    async with echo() as port, Cable(port) as cable:
        reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"

        cable.cut()
        with pytest.raises(ConnectionResetError):
            if await reader.read(100) == b"":
                raise ConnectionResetError
        with pytest.raises(ConnectionResetError):
            if await say(cable.port, b"hello") == b"":
                raise ConnectionResetError
        writer.transport.abort()

        cable.mend()
        assert await say(cable.port, b"again") == b"again"


async def test_a_cable_that_carries_is_taken_away_without_a_word() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    async with echo() as port:
        async with Cable(port) as cable:
            reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
            writer.write(b"hello")
            assert await reader.read(100) == b"hello"
        writer.transport.abort()
    assert not said


async def test_a_cable_to_nobody_ends_at_once() -> None:
    async with echo() as port:
        pass
    async with Cable(port) as cable:
        with pytest.raises(ConnectionResetError):
            if await say(cable.port, b"hello") == b"":
                raise ConnectionResetError
