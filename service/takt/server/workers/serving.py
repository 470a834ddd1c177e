"""How a worker gets its connections, gives them back, and takes its leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine, Mapping
from functools import partial

from takt.observing.instruments.host_metrics import HostMetrics
from takt.peers import Message
from takt.repository.repository import ModelRepository
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.state import AskedBy, ConnectionState
from takt.server.server import Accept, Server
from takt.server.workers.peers import WorkerPeers
from takt.server.workers.relay import RequestRelays
from takt.server.workers.ways.handing import Handed, hand, take

FIGURES_EVERY_S = 1.0
"""Time between two reports of what was counted: as much is lost of a worker that is killed."""
ALIVE_EVERY_S = 0.25
"""Time between two words by which the supervisor knows that this worker goes on."""
_LOOK_EVERY_S = 0.02
"""Time between two looks for connections to give back."""
_LEAVES_WITHIN_S = 30.0
"""Longest time in which a worker that leaves gives its connections back; then it closes them."""
_STAYS_WITHIN_S = 5.0
"""Longest wait for what no other process can go on with: connections of TLS, whose next answer
tells them to close, and requests that are passed on."""

logger = logging.getLogger("takt.workers")


class WorkerServing:
    """One worker's part in a server of several; used on its event loop.

    Args:
        connections: this end of the connections' way, which it closes.
        peers: the other workers.
        metrics: what it reports.
        repository: tells when the worker is ready.
    """

    def __init__(
        self,
        connections: socket.socket,
        peers: WorkerPeers,
        metrics: HostMetrics,
        repository: ModelRepository,
    ) -> None:
        self._way = connections
        self._peers = peers
        self._metrics = metrics
        self._repository = repository
        self._server: Server
        self._state: ConnectionState
        self._accepts: Mapping[str, Accept] = {}
        self._relays = RequestRelays(connections, peers, self._answer_here)
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_give_back = 0
        self._owed = 0
        self._arriving: set[asyncio.Task[None]] = set()

    async def open(self, server: Server) -> None:
        """Hear the supervisor and the other workers."""
        self._server, self._state = server, server.server_state
        await self._peers.open(self._told, self._orphaned)
        self._peers.say("hello", pid=os.getpid())

    async def begin(self, accepts: Mapping[str, Accept]) -> None:
        """Take connections from now on."""
        self._accepts = accepts
        self._state.relays = self._relays
        asyncio.get_running_loop().add_reader(self._way, self._take_connections)
        self._peers.say("up")
        self._start(self._report())
        self._start(self._say_alive())
        self._start(self._tell_ready())

    async def pause(self) -> None:
        """Take no more connections; those on their way are handed to others."""
        asyncio.get_running_loop().remove_reader(self._way)
        while self._arriving:
            await asyncio.wait(self._arriving)

    async def end(self) -> None:
        """Tell what was counted in all, and go."""
        for task in list(self._tasks):
            task.cancel()
        self._relays.close()
        for families in self._metrics.counted():
            self._peers.say("counted", families=families)
        await self._peers.close()
        self._way.close()

    def _told(self, message: Message) -> None:
        match message["kind"]:
            case "end":
                self._server.end(hurry=message["hurry"])
            case "give_back":
                self._give_back(message["most"])
            case "look":
                self._server.reload()
            case "still":
                self._metrics.tell_still(message["workers"])
                self._relays.note_still(
                    message["worker"], leads=message["leads"], still=message["now"]
                )
            case "leave":
                self._start(self._leave())

    def _orphaned(self) -> None:
        logger.error("the supervisor is gone, so this worker drains and ends")
        self._server.end(hurry=False)

    def _take_connections(self) -> None:
        while True:
            try:
                taken = take(self._way)
            except EOFError:
                asyncio.get_running_loop().remove_reader(self._way)
                return
            if taken is None:
                return
            handed, connection = taken
            if connection is not None:
                task = self._start(self._serve(handed, connection))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)

    async def _serve(self, handed: Handed, connection: socket.socket) -> None:
        accept = self._accepts.get(handed.kind)
        if accept is None or handed.kind == "taken":
            connection.close()
        else:
            protocol = accept()
            if isinstance(protocol, HttpConnection):
                protocol.port, protocol.answered = handed.kind, handed.answered
                if handed.kind == "relayed":
                    protocol.asked_by = handed.client, handed.scheme
            loop = asyncio.get_running_loop()
            with contextlib.suppress(OSError):  # the client has gone
                await loop.connect_accepted_socket(lambda: protocol, connection)
        self._owed += 1
        self._acknowledge()

    def _answer_here(self, client: asyncio.Transport, asked_by: AskedBy, sent: bytes) -> None:
        """Answer what was passed on to a worker that stands still, or that is gone."""
        protocol = self._accepts["relayed"]()
        assert isinstance(protocol, HttpConnection)
        protocol.port, protocol.asked_by = "relayed", asked_by
        client.set_protocol(protocol)
        protocol.connection_made(client)
        client.resume_reading()
        protocol.data_received(sent)

    def _acknowledge(self) -> None:
        """Say of each connection that it has arrived; where there is no room, again in a moment."""
        while self._owed and self._say(Handed("taken")):
            self._owed -= 1

    def _say(self, handed: Handed, connection: socket.socket | None = None) -> bool:
        try:
            return hand(self._way, handed, connection)
        except OSError:  # the supervisor is gone, which the messages' channel tells
            return False

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_EVERY_S)
            self._acknowledge()
            for families in self._metrics.counted():
                self._peers.say("counted", families=families)
                # Of many models all of them together would keep pictures waiting.
                await asyncio.sleep(0)

    async def _say_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            self._peers.say("alive", ready=self._repository.ready)

    async def _tell_ready(self) -> None:
        await self._repository.loaded.wait()
        self._peers.say("loaded", ready=self._repository.ready)

    def _give_back(self, most: int) -> None:
        begins = self._to_give_back == 0
        self._to_give_back = most
        if begins and most:
            self._start(self._give_back_idle())

    async def _give_back_idle(self) -> None:
        """Give connections back until there are enough: those that wait, or end their request."""
        within_s = asyncio.get_running_loop().time() + FIGURES_EVERY_S
        self._state.give_back = self._return_wanted
        while self._to_give_back > 0 and asyncio.get_running_loop().time() < within_s:
            for connection in self._connections():
                self._return_wanted(connection)
            await asyncio.sleep(_LOOK_EVERY_S)
        self._to_give_back = 0
        if not self._state.leaving:
            self._state.give_back = None

    def _return_wanted(self, connection: HttpConnection) -> bool:
        if self._to_give_back <= 0 or not self._returned(connection):
            return False
        self._to_give_back -= 1
        return True

    async def _leave(self) -> None:
        """Give every connection back that another worker can go on with, then end."""
        self._state.leaving, self._state.give_back = True, self._returned
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        # No more are handed over than those that have come by now.
        self._take_connections()
        while self._arriving:
            await asyncio.wait(self._arriving)
        while (left := self._connections()) or self._state.handshakes or len(self._relays):
            within_s = _STAYS_WITHIN_S if all(one.stays for one in left) else _LEAVES_WITHIN_S
            if loop.time() > began_s + within_s:
                break
            for connection in left:
                self._returned(connection)
            await asyncio.sleep(_LOOK_EVERY_S)
        self._server.end(hurry=False)

    def _connections(self) -> list[HttpConnection]:
        """Those that may be given back sooner or later."""
        return [one for one in list(self._state.connections) if isinstance(one, HttpConnection)]

    def _returned(self, connection: HttpConnection) -> bool:
        handed = Handed(connection.port, answered=connection.answered)
        return connection.release(partial(self._say, handed))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
