"""Messages between processes come whole and in order."""

from __future__ import annotations

import asyncio
import math
import socket

import pytest

from takt.peers import Message
from takt.server.workers.ways.messages import MessageChannel

pytestmark = pytest.mark.anyio


async def test_large_messages_come_whole_in_order_and_the_end_is_told() -> None:
    here, there = socket.socketpair()
    heard: list[Message] = []
    ended = asyncio.Event()
    sender, receiver = MessageChannel(here), MessageChannel(there)
    await sender.open(heard.append, lambda: None)
    await receiver.open(heard.append, ended.set)
    sent = [{"number": n, "text": "ü" * 100_000, "largest": math.inf} for n in range(5)]
    for message in sent:
        sender.send(message)
    await sender.close()
    async with asyncio.timeout(10):
        await ended.wait()
    assert heard == sent
    sender.send({"kind": "to nobody"})
    await receiver.close()


async def test_a_message_that_cannot_be_taken_keeps_no_later_one_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, there = socket.socketpair()
    taken = asyncio.Event()

    def take(message: Message) -> None:
        if message["bad"]:
            raise ValueError("no sense in it")
        taken.set()

    sender, receiver = MessageChannel(here), MessageChannel(there)
    await sender.open(take, lambda: None)
    await receiver.open(take, lambda: None)
    sender.send({"bad": True})
    sender.send({"bad": False})
    async with asyncio.timeout(10):
        await taken.wait()
    assert "could not be taken" in caplog.text
    await sender.close()
    await receiver.close()
