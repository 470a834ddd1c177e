"""The Modbus TCP server that a controller takes for a smart camera."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plc.access import Host, MasterAccess, Masters, host_of
from takt_station.plc.memory import Memory
from takt_station.plc.registers import RegisterMap
from takt_station.plc.wire import answer

logger = logging.getLogger("takt_station.plc")

_HEAD: Final = struct.Struct(">HHHB")
"""Of a frame: transaction, protocol, bytes that follow with the unit's number, the unit."""

_LONGEST: Final = 254
"""Most bytes that follow: the unit's number, and a request."""

_AHEAD: Final = 1024
"""Bytes that are read ahead of the request that is answered, about."""


class ModbusCamera:
    """Serves the registers of a station, from `start` to `stop`.

    All calls come on the loop that started it, one at a time: what a request reads is of one
    moment, and what it writes is heard as a whole.

    Args:
        address: to listen on.
        port: to listen on; Modbus's own is 502. 0 takes a free one.
        registers: where the registers are.
        controls: hears all that the controller says, once for each write.
        status: gives all that it reads.
        access: which masters may connect.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registers: RegisterMap,
        controls: Callable[[Controls], None],
        status: Callable[[], StationStatus],
        access: MasterAccess | None = None,
    ) -> None:
        self._address = address
        self._port = port
        self._memory = Memory(registers, controls, status)
        self._access = access or MasterAccess()
        self._masters = Masters()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port on which it listens."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def changed(self) -> None:
        """Do nothing: a PLC asks when it wants to know."""

    async def start(self) -> str:
        """Begin to listen.

        Returns:
            The port, for people.

        Raises:
            OSError: the address and port cannot be had.
        """
        # It would write a line for each request that somebody got wrong.
        logging.getLogger("pymodbus").setLevel(logging.ERROR)
        self._server = await asyncio.start_server(
            self._serve, self._address, self._port, limit=_AHEAD
        )
        return f"port {self.port}"

    async def stop(self) -> None:
        """Close all connections, and listen no more."""
        if self._server is None:
            return
        self._server.close()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a master until it goes, is silent or sends what is no Modbus."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            peer = writer.get_extra_info("peername")
            if peer is not None:
                await self._converse(host_of(peer[0]), reader, writer)
        except asyncio.CancelledError:
            # By `stop`. Python 3.11 logs a connection's task that ends cancelled as an error.
            pass
        finally:
            self._tasks.discard(task)
            # What a master has not read by now, it will not miss.
            writer.transport.abort()

    async def _converse(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._access.allows(host):
            logger.info("a master at %s is refused: its address is not allowed", host)
            return
        if not self._masters.has_room(host, self._access.most_connections):
            logger.info("a master at %s is refused: there are %d", host, len(self._masters))
            return
        self._masters.enter(host)
        try:
            # A master may end in the middle of a frame, or fall silent there.
            with suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
                while await self._exchange(host, reader, writer):
                    pass
        finally:
            self._masters.leave(host)

    async def _exchange(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; whether another may follow."""
        async with asyncio.timeout(self._access.silent_s):
            head = await reader.readexactly(_HEAD.size)
            transaction, protocol, length, unit = _HEAD.unpack(head)
            if protocol != 0 or not 2 <= length <= _LONGEST:
                return False
            request = await reader.readexactly(length - 1)
            found = answer(request, self._memory, lambda: self._masters.may_write(host))
            writer.write(_HEAD.pack(transaction, 0, len(found) + 1, unit) + found)
            await writer.drain()
        await asyncio.sleep(0)  # requests that are here already let others have their turn
        return True
