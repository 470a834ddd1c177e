"""Packets of a hostile broker, on its socket, to a server that publishes to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.features.delivering import Parts, look_at, serving, told_of
from tests.hostile.features.outcome import Outcome
from tests.mqtt_packets import (
    CONNACK,
    LONGEST,
    PUBACK,
    PUBLISH,
    connack,
    length_bytes,
    most_packet_bytes,
    packet,
    publish,
    read_packet,
)

_PUBREC, _PUBREL, _PUBCOMP, _SUBACK, _UNSUBACK, _DISCONNECT = 0x50, 0x62, 0x70, 0x90, 0xB0, 0xE0
_PING, _PONG = b"\xc0\x00", 0xD0
_WITHIN_S = 15.0
_SETTLED_WITHIN_S = 60.0
_TAKES = frozenset({0x00, 0x10, 0x90, 0x95, 0x99})
"""Reasons by which a broker takes a message or has it dropped: then it is not the server's loss."""

_FLOOD = b"".join(publish(number, b"x" * 4000) for number in range(1, 1000))
_ENDLESS = bytes(4 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a broker sends to a client that has connected.

    Attributes:
        name: of its kind.
        data: the bytes.
        greets: whether a client is taken before.
        whole: whether the client can answer afterwards; else the broker closes the connection.
    """

    name: str
    data: bytes
    greets: bool = True
    whole: bool = True


@dataclass(slots=True)
class Broker:
    """Sends what is to be sent, one to each connection, and is a good broker afterwards."""

    attacks: list[Sent]
    outcome: Outcome
    taken: set[str] = field(default_factory=set)
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await read_packet(reader)
                if self.attacks:
                    await self._attack(self.attacks.pop(), reader, writer)
                else:
                    self.sent.set()
                    await self._take(reader, writer)
        finally:
            writer.transport.abort()

    async def _attack(
        self, one: Sent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        said = "left"
        try:
            async with asyncio.timeout(_WITHIN_S):
                if one.greets:
                    writer.write(connack())
                    # It has published that it is there: what follows is no part of its greeting.
                    await read_packet(reader)
                writer.write(one.data + (_PING if one.whole else b""))
                await writer.drain()
                if one.whole:
                    while (await read_packet(reader))[0] != _PONG:
                        pass
                    said = "taken"
                else:
                    said = "cut"
        except TimeoutError:
            said = "no answer"
            self.outcome.wrong.append(f"{one.name} had no answer: {one.data[:40].hex()}")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        self.outcome.note(said)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(connack())
        while True:
            first, body = await read_packet(reader)
            if first == 0xC0:
                writer.write(bytes([_PONG, 0]))
            elif first & 0xF0 == PUBLISH:
                (length,) = struct.unpack(">H", body[:2])
                # Topic, number, no properties, payload.
                number = body[2 + length : 4 + length]
                told = json.loads(body[5 + length :])
                if told["type"] == "verdict":
                    self.taken.add(told["part"])
                writer.write(packet(PUBACK, number))


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Send so many packets to a server, one over each connection."""
    outcome = Outcome()
    draw = random.Random(seed)
    attacks = [draw.choice(_KINDS)(draw) for _ in range(count)]
    asyncio.run(_attack(attacks, folder, outcome))
    return outcome


async def _attack(attacks: list[Sent], folder: Path, outcome: Outcome) -> None:
    broker = Broker(attacks, outcome)
    listening = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with contextlib.ExitStack() as stack:
        options = ("--mqtt-url", f"mqtt://127.0.0.1:{port}", "--mqtt-topic", "takt")
        server = await asyncio.to_thread(stack.enter_context, serving(folder, *options))
        parts = Parts(server, outcome)
        async with parts.inspected():
            async with asyncio.timeout(_WITHIN_S * len(attacks) + _SETTLED_WITHIN_S):
                await broker.sent.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                while not broker.taken.issuperset(parts.answered):
                    await asyncio.sleep(0.02)
        told_of(parts, broker.taken, outcome)
        look_at(server, outcome)
        await asyncio.to_thread(stack.close)
    listening.close()


def _number(draw: random.Random) -> bytes:
    """A number of a message that was never sent."""
    return struct.pack(">H", draw.randrange(10_000, 0x10000))


def _reason(draw: random.Random) -> int:
    return draw.choice([one for one in range(256) if one not in _TAKES])


def _properties(draw: random.Random) -> bytes:
    """Properties that may be none, cut off, doubled or far too many."""
    known = (
        most_packet_bytes(draw.choice((0, 1, 20, 1023, 2**32 - 1))),
        b"\x21" + struct.pack(">H", draw.choice((0, 1, 65535))),
        b"\x13" + struct.pack(">H", draw.choice((0, 1, 65535))),
        b"\x22\x00\x00",
        b"\x26\x00\x01a\x00\x01\xff",
        b"\x1f\x00\x05why",
        b"\x12\xff\xff",
        bytes([draw.randrange(256)]) + draw.randbytes(draw.randrange(6)),
    )
    body = b"".join(draw.choice(known) for _ in range(draw.randrange(1, 4)))
    if draw.random() < 0.1:
        body *= 1000
    length = draw.choice((len(body), len(body), len(body) + 1, 0, 127, LONGEST))
    return length_bytes(length) + body


def _greeting(draw: random.Random) -> Sent:
    flags, reason = draw.choice((0, 1, 2, 255)), draw.choice((0, 0, 1, 5, 0x80, 0x9F, 0xFF))
    body = bytes([flags, reason]) + _properties(draw)
    data = packet(CONNACK | draw.choice((0, 0, 15)), body[: draw.choice((0, 1, 2, 3, 999_999))])
    return Sent("greeting", data, greets=draw.random() < 0.3)


def _acknowledgement(draw: random.Random) -> Sent:
    kind = draw.choice((PUBACK, PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _SUBACK, _UNSUBACK))
    number = struct.pack(">H", draw.randrange(1, 8)) if kind == PUBACK else _number(draw)
    body = number + bytes([_reason(draw)]) + draw.choice((b"", b"\x00", _properties(draw)))
    return Sent("acknowledgement", packet(kind | draw.choice((0, 0, 15)), body))


def _cut_acknowledgement(draw: random.Random) -> Sent:
    return Sent("acknowledgement", packet(PUBACK, draw.randbytes(1)))


def _message(draw: random.Random) -> Sent:
    topic = draw.choice((b"a", b"", b"\xff\xfe", b"+/#", b"\x00", b"x" * 9000))
    length = draw.choice((len(topic), len(topic) + 1, 0, 0xFFFF))
    body = struct.pack(">H", length) + topic + _number(draw) + _properties(draw)
    body += draw.randbytes(draw.choice((0, 1, 100, 5000)))
    return Sent("message", packet(PUBLISH | draw.randrange(16), body))


def _farewell(draw: random.Random) -> Sent:
    body = draw.choice((b"", bytes([draw.randrange(256)]), b"\x8e" + _properties(draw)))
    return Sent("farewell", packet(_DISCONNECT, body), greets=draw.random() < 0.5)


def _random(draw: random.Random) -> Sent:
    """Any packet; one that would take a message comes before the client has sent one."""
    first = draw.randrange(256)
    body = draw.randbytes(draw.choice((0, 1, 2, 3, 10, 300)))
    return Sent("random", packet(first, body), greets=first & 0xF0 not in (PUBACK, _PUBCOMP))


def _lengths(draw: random.Random) -> Sent:
    """A length that the packet does not have, or that none may have."""
    first = draw.choice((PUBLISH, CONNACK, PUBACK, _DISCONNECT))
    if draw.random() < 0.3:
        return Sent("length", bytes([first]) + b"\xff\xff\xff\xff\x7f", draw.random() < 0.5)
    if draw.random() < 0.5:
        return Sent("length", packet(first, b"ab", draw.randrange(3, 16_000)), whole=False)
    body = _ENDLESS if draw.random() < 0.1 else draw.randbytes(100)
    return Sent("length", packet(first, body, draw.randrange(20_000, LONGEST)))


def _flood(draw: random.Random) -> Sent:
    some = draw.choice((_FLOOD, _PING * 300, publish(7, quality=1) * 300, connack() * 300))
    return Sent("flood", some)


_KINDS: Sequence[Callable[[random.Random], Sent]] = (
    _greeting,
    _greeting,
    _acknowledgement,
    _acknowledgement,
    _cut_acknowledgement,
    _message,
    _message,
    _farewell,
    _random,
    _random,
    _lengths,
    _lengths,
    _lengths,
    _flood,
)
