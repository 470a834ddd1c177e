"""A connection to a broker leaves nothing behind, and takes no more than it said it would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

from takt.outlets.mqtt.broker import parse_broker
from takt.outlets.mqtt.client import MOST_PACKET_BYTES, MOST_UNSETTLED
from takt.outlets.mqtt.connection import LEAST_BYTES, BrokerConnection, Retained
from takt.outlets.plugin import AwayError
from tests.mqtt_packets import LONGEST, PUBACK, PUBLISH, connack, most_packet_bytes, packet, publish
from tests.mqtt_packets import read_packet as read

CONNECT, PING, PONG = 0x10, b"\xc0\x00", 0xD0
TAKES = b"\x21" + MOST_UNSETTLED.to_bytes(2, "big") + b"\x27" + MOST_PACKET_BYTES.to_bytes(4, "big")


def connection_to(port: int) -> BrokerConnection:
    broker = parse_broker(f"mqtt://127.0.0.1:{port}", "", None, None)
    return BrokerConnection(broker, "takt-1", Retained("status", b"{}"), lambda *_: None)


class Sends:
    """A broker that sends what a test says to whoever connects, and then reads."""

    def __init__(self, *sent: bytes) -> None:
        self._sent = sent
        self.connect = b""
        self.settled = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            first, self.connect = await read(reader)
            assert first == CONNECT
            for some in self._sent:
                writer.write(some)
                await writer.drain()
            while (await read(reader))[0] != PUBACK:
                pass
            self.settled.set()
            await reader.read()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def served(broker: Sends) -> AsyncIterator[BrokerConnection]:
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    async with server:
        one = connection_to(server.sockets[0].getsockname()[1])
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_a_broker_that_is_reached_when_nobody_waits_any_more_is_not_read_from() -> None:
    """Else the loop takes the next socket of that number for this one, and does not read it."""
    one = connection_to(9)
    await one.close()
    with socket.socket() as late:
        one._watch(late)
        assert not asyncio.get_running_loop().remove_reader(late.fileno())


async def test_a_broker_hears_how_much_is_taken_of_it() -> None:
    broker = Sends(connack())
    async with served(broker) as one:
        await one.open()
    assert TAKES in broker.connect


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("before", [b"", connack()], ids=["at once", "after it was reached"])
async def test_a_packet_beyond_what_is_taken_ends_the_connection_and_is_not_read(
    before: bytes,
) -> None:
    """Paho reads what a packet says it has, and asks for all of it at once: 268 MB."""
    some = bytes(1024 * 1024)
    broker = Sends(before + packet(PUBLISH, some, LONGEST), *(some for _ in range(30)))
    async with served(broker) as one:
        if before:
            await one.open()
            why = await asyncio.wait_for(one.lost, 20)
        else:
            with pytest.raises(AwayError) as refused:
                await one.open()
            why = str(refused.value)
    _, most = tracemalloc.get_traced_memory()
    assert f"sends a packet of {LONGEST} bytes, and {MOST_PACKET_BYTES} are taken" in why
    assert most < 8 * 1024 * 1024


async def test_a_packet_of_as_many_bytes_as_are_taken_is_read() -> None:
    whole = publish(1, bytes(MOST_PACKET_BYTES - 9), quality=1)
    assert len(whole) == MOST_PACKET_BYTES
    broker = Sends(connack() + whole)
    async with served(broker) as one:
        await one.open()
        await asyncio.wait_for(broker.settled.wait(), 20)
        assert not one.lost.done()


async def test_a_broker_that_does_not_settle_its_messages_is_left() -> None:
    """Paho keeps each until the broker says that it is over, 65,535 of them."""
    count = 4 * MOST_UNSETTLED
    broker = Sends(connack(), b"".join(publish(number) for number in range(1, count)))
    async with served(broker) as one:
        await one.open()
        why = await asyncio.wait_for(one.lost, 20)
        assert len(one._client._in_messages) == MOST_UNSETTLED
    assert f"sends more than {MOST_UNSETTLED} messages without an end" in why


async def test_a_broker_that_takes_no_answers_is_not_read_from_until_it_does() -> None:
    """Paho answers each of its pings, and keeps the answers that nobody takes."""
    pings = 3_000
    goes_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.transport.pause_reading()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(connack() + PING * pings)
        await goes_on.wait()
        writer.transport.resume_reading()
        for _ in range(pings):
            assert await read(reader) == (PONG, b"")
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        one = connection_to(server.sockets[0].getsockname()[1])
        await one.open()
        one._client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        turns = 0
        async with asyncio.timeout(20):
            # A socket that can be written is written to in the next turn.
            while turns < 1_000:
                await asyncio.sleep(0)
                turns = turns + 1 if one._client.want_write() else 0
        assert len(one._client._out_packet) < 100
        goes_on.set()
        await asyncio.wait_for(one.lost, 20)
        await one.close()


@pytest.mark.parametrize("most", [0, 1, LEAST_BYTES - 1])
async def test_a_broker_that_takes_not_even_a_small_message_is_away(most: int) -> None:
    async with served(Sends(connack(most_packet_bytes(most)))) as one:
        with pytest.raises(AwayError) as refused:
            await asyncio.wait_for(one.open(), 20)
    if most:
        assert f"takes packets of {most} bytes at most; have it take {LEAST_BYTES}" in str(
            refused.value
        )


async def test_a_broker_may_take_just_a_small_message() -> None:
    async with served(Sends(connack(most_packet_bytes(LEAST_BYTES)))) as one:
        await one.open()
        assert 0 < one.most_bytes < LEAST_BYTES
