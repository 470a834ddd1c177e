"""Messages between the supervisor and a worker: JSON, one a frame, over a pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import Callable

from service.peers import Message

_LENGTH = struct.Struct("<I")

logger = logging.getLogger("takt.workers")


class MessageChannel:
    """One end of a channel; used on one event loop.

    Args:
        end: this end's socket, which the channel closes.
        take: takes each message.
        ended: called once the other end is gone.
    """

    def __init__(
        self,
        end: socket.socket,
        take: Callable[[Message], None],
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._end = end
        self._take = take
        self._ended = ended
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to read."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end)
        self._reading = asyncio.create_task(self._read(reader))

    def send(self, message: Message) -> None:
        """Send a message; one to an end that is gone is lost."""
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

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                message = json.loads(await reader.readexactly(length))
                try:
                    self._take(message)
                except Exception:
                    logger.exception("a message of another process could not be taken")
        except (asyncio.IncompleteReadError, OSError):
            self._ended()
