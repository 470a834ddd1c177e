"""Messages between the supervisor and a worker: JSON, one a frame, over a pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import Callable

from takt.peers import Message

_LENGTH = struct.Struct("<I")

logger = logging.getLogger("takt.workers")


class MessageChannel:
    """One end of a channel; used on one event loop.

    Args:
        end: this end's socket, which the channel closes.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, take: Callable[[Message], None], ended: Callable[[], object]) -> None:
        """Begin to read.

        Args:
            take: takes each message.
            ended: called once the other end is gone.
        """
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end)
        self._reading = asyncio.create_task(self._read(reader, take, ended))

    def send(self, message: Message) -> None:
        """Send a message; one before it is open, or to an end that is gone, is lost."""
        if self._writer is None or self._writer.is_closing():
            return
        body = json.dumps(message, separators=(",", ":")).encode()
        self._writer.write(_LENGTH.pack(len(body)) + body)

    async def close(self) -> None:
        """Send what waits, and close."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        take: Callable[[Message], None],
        ended: Callable[[], object],
    ) -> None:
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                message = json.loads(await reader.readexactly(length))
                try:
                    take(message)
                except Exception:
                    logger.exception("a message of another process could not be taken")
        except (asyncio.IncompleteReadError, OSError):
            ended()
