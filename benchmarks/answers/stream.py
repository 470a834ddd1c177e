"""Asking by a stream that drops nothing, with votes and smoothing, which depend on the order."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.answers.answer import Answer, answer_of, refusal_of
from benchmarks.answers.modes import Mode
from benchmarks.answers.pictures import Picture

HEADER = struct.Struct("<2sBBIQQII")
MAGIC, VERSION = b"TK", 1
ENCODED, BGR8 = 0, 2
TIMEOUT_S = 300


async def ask(url: str, model: str, mode: Mode, pictures: Sequence[Picture]) -> list[Answer]:
    """Send each picture as a frame; the answers in the order of the pictures."""
    address = f"{url.replace('http', 'ws', 1)}/v1/models/{model}/stream"
    async with connect(address, proxy=None, max_size=None, compression=None) as socket:
        await socket.send(_hello(mode))
        await _hear(socket, "welcome")
        sending = asyncio.create_task(_send(socket, mode, pictures))
        try:
            answers = [await _answer(socket, number) for number in range(len(pictures))]
            await sending
        finally:
            sending.cancel()
        await _hear(socket, "bye")
    return answers


def _hello(mode: Mode) -> str:
    asked = {"policy": "all", "heatmap": mode.heatmap, "format": mode.format}
    return json.dumps({"type": "hello", **asked, "vote": {"k": 2, "n": 3}, "smoothing": 0.5})


async def _send(socket: ClientConnection, mode: Mode, pictures: Sequence[Picture]) -> None:
    for number, picture in enumerate(pictures):
        await socket.send(_frame(number, picture, pixels=mode.pixels))
    await socket.send('{"type": "bye"}')


def _frame(number: int, picture: Picture, *, pixels: bool) -> bytes:
    if not pixels:
        return HEADER.pack(MAGIC, VERSION, ENCODED, 0, number, 0, 0, 0) + picture.data
    decoded = picture.pixels()
    height, width, _ = decoded.shape
    return HEADER.pack(MAGIC, VERSION, BGR8, 0, number, 0, width, height) + decoded.tobytes()


async def _answer(socket: ClientConnection, number: int) -> Answer:
    message = await _hear(socket, "answer", "error")
    if message.get("sequence") != number:
        raise SystemExit(f"frame {number} was to be answered, the server said {message}")
    if message["type"] == "error":
        return refusal_of(message)
    heatmap = await _receive(socket) if message["heatmap"] else None
    assert not isinstance(heatmap, str)
    return await asyncio.to_thread(answer_of, message, heatmap)


async def _hear(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await _receive(socket))
    if message["type"] not in kinds:
        raise SystemExit(f"{' or '.join(kinds)} was to come, the server said {message}")
    return message


async def _receive(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(TIMEOUT_S):
        return await socket.recv()
