"""What blocks holds up neither the loop nor its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from takt.outlets import blocking
from takt.outlets.mqtt.broker import parse_broker
from takt.outlets.mqtt.connection import BrokerConnection, Retained
from takt.outlets.webhooks.addresses import resolve
from tests.unit.service.outlets.test_queued import WITHIN_S


async def test_what_a_call_raises_is_raised() -> None:
    def fail() -> None:
        raise OSError("no such name")

    with pytest.raises(OSError, match="no such name"):
        await blocking.beside(fail)


@pytest.mark.parametrize("what", ["a name", "a broker"])
def test_a_network_that_does_not_answer_holds_up_no_end(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> None:
        asked.set()
        answers.wait()

    monkeypatch.setattr("socket.getaddrinfo", never)
    monkeypatch.setattr("socket.create_connection", never)

    async def main() -> None:
        if what == "a name":
            asking = asyncio.create_task(resolve("mes.example", 443))
        else:
            broker = parse_broker("mqtt://broker.example", "", None, None)
            one = BrokerConnection(broker, "takt-1", Retained("status", b"{}"), lambda *_: None)
            asking = asyncio.create_task(one.open())
        while not asked.is_set():
            await asyncio.sleep(0)
        asking.cancel()

    running = threading.Thread(target=lambda: asyncio.run(main()))
    running.start()
    running.join(WITHIN_S / 6)
    ended = not running.is_alive()
    answers.set()
    running.join(WITHIN_S)
    assert ended
