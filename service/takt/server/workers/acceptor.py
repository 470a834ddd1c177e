"""Accepts connections, and hands each to the worker that has the fewest."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable

from takt.server.listening import Listening
from takt.server.workers.member import Member, State
from takt.server.workers.ways.counts import CountTable
from takt.server.workers.ways.handing import Handed

_AT_ONCE = 64
"""Most connections that are accepted in one turn."""

logger = logging.getLogger("takt.workers")


class Acceptor:
    """The supervisor's part in each connection; used on its event loop.

    While no worker can take them, connections wait to be accepted.

    Args:
        listening: the sockets.
        members: the workers that there are.
        counts: connections that each has.
    """

    def __init__(
        self, listening: Listening, members: Callable[[], Iterable[Member]], counts: CountTable
    ) -> None:
        self._listening = listening
        self._members = members
        self._counts = counts
        self._accepting = False
        self._closed = False
        # No worker had room for them, which another moment may have.
        self._waiting: deque[tuple[Handed, socket.socket]] = deque()

    def look(self) -> None:
        """Accept if a worker can take connections, and hand on what waits."""
        while self._waiting:
            if not self._hand(*self._waiting[0]):
                break
            self._waiting.popleft()
        self._set_accepting(not self._closed and not self._waiting and bool(self._able()))

    def _set_accepting(self, wanted: bool) -> None:
        loop = asyncio.get_running_loop()
        if wanted == self._accepting:
            return
        self._accepting = wanted
        of_ports = (
            (Handed("main"), self._listening.main),
            (Handed("metrics"), self._listening.metrics),
        )
        for handed, sockets in of_ports:
            for one in sockets:
                if wanted:
                    one.setblocking(False)
                    loop.add_reader(one, self._accept, one, handed)
                else:
                    loop.remove_reader(one)

    def hand(self, handed: Handed, connection: socket.socket) -> None:
        """Hand on a connection, as soon as a worker has room for it."""
        if self._waiting or not self._hand(handed, connection):
            self._waiting.append((handed, connection))
            self.look()

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        self.look()
        for one in (*self._listening.main, *self._listening.metrics):
            one.close()
        for _, connection in self._waiting:
            connection.close()
        self._waiting.clear()

    def balance(self) -> None:
        """Have the worker with the most connections give some back, where another has far fewer."""
        able = self._able()
        if len(able) < 2:
            return
        loads = {member: member.load(self._counts) for member in able}
        most, fewest = max(able, key=loads.__getitem__), min(able, key=loads.__getitem__)
        excess = (loads[most] - loads[fewest]) // 2
        if excess:
            most.tell("give_back", most=excess)

    def _able(self) -> list[Member]:
        """Those that can take connections: where models are loaded, or any until then.

        One that stands still gets none while another goes on. Where the others only load yet,
        connections wait, rather than to be refused: for those, or for it to go on or be killed.
        """
        up = [one for one in self._members() if one.state in (State.UP, State.LOADED)]
        ready = [one for one in up if one.ready] or up
        awake = [one for one in ready if not one.still]
        return awake or (ready if all(one.still for one in up) else [])

    def _accept(self, listener: socket.socket, handed: Handed) -> None:
        for _ in range(_AT_ONCE):
            if not self._accepting:
                return
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Such as no free descriptor: connections wait for the supervisor's next look.
                logger.error("a connection could not be accepted: %s", error)
                self._set_accepting(False)
                return
            connection.setblocking(False)
            self.hand(handed, connection)

    def _hand(self, handed: Handed, connection: socket.socket) -> bool:
        able = sorted(self._able(), key=lambda one: one.load(self._counts))
        return any(one.hand(handed, connection) for one in able)
