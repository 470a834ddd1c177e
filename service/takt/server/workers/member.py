"""One worker, as the supervisor knows it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum, auto

from takt.observing.instruments.merging import Told
from takt.peers import Message
from takt.server.workers.ways.counts import CountTable
from takt.server.workers.ways.handing import Handed, hand, take
from takt.server.workers.ways.messages import MessageChannel

SILENT_S = 10.0
"""Time after which a worker that has said nothing is killed: whoever waits for an answer of it has
his connection closed then, and asks another one. Loading leaves the interpreter to others."""

SILENT_AT_FIRST_S = 60.0
"""The same, of one whose models have not loaded for the first time."""

STARTED_WITHIN_S = 600.0
"""Time after which a worker that has not begun to take connections is killed."""

STILL_S = 1.5
"""Time after which nobody waits for a worker that has said nothing; they speak more often."""

logger = logging.getLogger("takt.workers")


class State(Enum):
    """What a worker can do by now."""

    STARTING = auto()
    UP = auto()
    """It takes connections, though its models may not be loaded."""
    LOADED = auto()
    LEAVING = auto()
    """It gets no more connections."""


class Member:
    """A worker's process, its ways, and what is on its way to it.

    Args:
        number: of its row of counts, and by which the others know it.
        slot: whose cores it has.
        messages: this end of the messages' channel.
        way: this end of the connections' way.

    Attributes:
        pid: of its process; None until it is forked.
        state: what it can do.
        ready: whether its models answer.
        leads: whether it does what only one may do.
        hears: whether its process hears messages.
        heard_s: when it said something last.
        still: whether it stands still, so that nobody is to wait for it.
        way: where connections come that it gives back.
    """

    def __init__(
        self, number: int, slot: int, messages: socket.socket, way: socket.socket, now_s: float
    ) -> None:
        self.number = number
        self.slot = slot
        self.pid: int | None = None
        self.state = State.STARTING
        self.ready = False
        self.leads = False
        self.hears = False
        self.still = False
        self._counted: dict[str, Told] = {}
        self.started_s = self.heard_s = now_s
        self.way = way
        self._channel = MessageChannel(messages)
        self._arriving: deque[tuple[Handed, socket.socket]] = deque()

    async def open(self, take: Callable[[Message], None], ended: Callable[[], object]) -> None:
        """Hear it; `ended` is called when its process is gone."""
        await self._channel.open(take, ended)

    def count(self, families: Told) -> None:
        """Take what it has counted, of some families or all."""
        for family in families:
            self._counted[family[0]] = [family]

    @property
    def counted(self) -> Told:
        """What it has counted by its last word."""
        return [family for families in self._counted.values() for family in families]

    def tell(self, kind: str, **facts: object) -> None:
        """Send it a message."""
        self._channel.send({"kind": kind, **facts})

    def load(self, counts: CountTable) -> int:
        """Connections that it has or will have in a moment."""
        return counts.of_row(self.number, "connections") + len(self._arriving)

    def hand(self, handed: Handed, connection: socket.socket) -> bool:
        """Hand it a connection, closed here once it has arrived; False if there is no room."""
        try:
            done = hand(self.way, handed, connection)
        except OSError:  # it has ended, which is told in a moment
            return False
        if done:
            self._arriving.append((handed, connection))
        return done

    def take(self) -> list[tuple[Handed, socket.socket]]:
        """What it has given back; what has arrived there is closed here."""
        given_back = []
        with contextlib.suppress(EOFError):
            while (taken := take(self.way)) is not None:
                handed, connection = taken
                if handed.kind == "taken":
                    self._arriving.popleft()[1].close()
                elif connection is not None:
                    given_back.append((handed, connection))
        return given_back

    def look_still(self, now_s: float) -> bool:
        """Whether it stands still, whose models have loaded: loading may hold up the interpreter.

        Args:
            now_s: by the clock of `heard_s`.
        """
        return self.state is State.LOADED and now_s > self.heard_s + STILL_S

    def kill(self) -> None:
        """End its process at once."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def close(self) -> list[tuple[Handed, socket.socket]]:
        """Close the ways to a process that is gone; gives the connections that it never took."""
        left = [*self.take(), *self._arriving]
        self._arriving.clear()
        self.way.close()
        await self._channel.close()
        return left


def kill_silent(members: Iterable[Member], now_s: float) -> None:
    """Kill those that have said nothing for long, such as one whose interpreter hangs.

    Args:
        members: those that take connections speak every second; one that starts may take long.
        now_s: by the clock of `heard_s`.
    """
    bounds = {
        State.STARTING: STARTED_WITHIN_S,
        State.UP: SILENT_AT_FIRST_S,
        State.LOADED: SILENT_S,
    }
    for member in members:
        within_s = bounds.get(member.state)
        if within_s is not None and now_s > member.heard_s + within_s:
            logger.error("worker %d has said nothing for %.0f s", member.slot, within_s)
            member.kill()


def excuse(members: Iterable[Member], late_s: float) -> None:
    """Count no silence in which the supervisor could not hear, as where the machine was paused.

    Args:
        members: the workers.
        late_s: by how much the supervisor was late to look.
    """
    if late_s > STILL_S:
        for member in members:
            member.heard_s += late_s
