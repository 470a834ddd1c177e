"""Packets of MQTT 5 as bytes, as a broker sends them that no library holds to anything."""

from __future__ import annotations

import asyncio
import struct

LONGEST = 268_435_455
"""Most bytes that a packet can say it has."""

PUBLISH, PUBACK, CONNACK = 0x30, 0x40, 0x20


def length_bytes(length: int) -> bytes:
    """A length as packets have it, up to `LONGEST`."""
    found = bytearray()
    while True:
        length, seven = divmod(length, 128)
        found.append(seven | (0x80 if length else 0))
        if not length:
            return bytes(found)


def packet(first: int, body: bytes, length: int | None = None) -> bytes:
    """A packet, which may say another length than it has."""
    return bytes([first]) + length_bytes(len(body) if length is None else length) + body


def connack(properties: bytes = b"") -> bytes:
    """A broker takes a client."""
    return packet(CONNACK, b"\x00\x00" + length_bytes(len(properties)) + properties)


def most_packet_bytes(size: int) -> bytes:
    """The property of the largest packet."""
    return b"\x27" + struct.pack(">I", size)


def publish(number: int, payload: bytes = b"", quality: int = 2) -> bytes:
    """A message to the client, which has subscribed to nothing."""
    place = struct.pack(">H", number) if quality else b""
    return packet(PUBLISH | quality << 1, b"\x00\x01a" + place + b"\x00" + payload)


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next packet of a client: its first byte, and what follows its length."""
    (first,) = await reader.readexactly(1)
    length = place = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 0x7F) << place
        place += 7
        if byte < 0x80:
            return first, await reader.readexactly(length)
