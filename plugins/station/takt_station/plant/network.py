"""A cable between PLC and station that can be cut."""

from __future__ import annotations

import asyncio
import contextlib


class Cable:
    """Carries connections on this machine from one port to another; use it with `async with`.

    Args:
        to: port that is connected to.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._whole = True
        self._carried: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port at this end."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Nothing passes any more; who is connected hears nothing."""
        self._whole = False
        for writer in self._carried:
            writer.transport.abort()

    def mend(self) -> None:
        """All passes again."""
        self._whole = True

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of the server's own that is cancelled is an error to Python 3.11.
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carried.add(writer)
        try:
            if not self._whole:
                return
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", self._to)
                self._carried.add(there[1])
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(_pass_on(reader, there[1]))
                        group.create_task(_pass_on(there[0], writer))
                finally:
                    self._carried.discard(there[1])
                    there[1].transport.abort()
        finally:
            self._carried.discard(writer)
            writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
