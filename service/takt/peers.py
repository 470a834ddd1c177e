"""The other processes of one server, as the parts of a process see them.

A server may be several processes on one host, the workers of `takt serve --workers N`, which share
its port. A part whose state every worker has to have, such as thresholds, tells the others; a part
that only one may run, such as the mirror of a repository, waits until its process leads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from takt.core.errors import TaktError, UnavailableError
from takt.core.problem import error_json, error_of

_TRIES, _AGAIN_S = 20, 0.1
"""How often, and how long apart, a worker asks which other one leads."""

UNLED = (
    "the process of this server that does this is being replaced; look at what holds, and send it "
    "again"
)
"""What somebody is told who asks for what only the leading process does, while none leads."""

Message = dict[str, Any]
"""What workers tell each other, as JSON has it."""

Handler = Callable[[Message], Awaitable[Message]]
"""Does what another worker asks for, and gives the answer; it runs on the event loop."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one of the others has answered.

    Attributes:
        worker: its number, from 0 on.
        body: its answer; empty if it failed.
        failure: why it could not; None if it could.
    """

    worker: int
    body: Message
    failure: str | None = None


MOST_NAMES = 64
"""Names from outside, as of stations, that are told apart; such names have no end."""


class HostCounts(Protocol):
    """Numbers that all workers count together, such as connections."""

    def add(self, what: str, difference: int) -> None:
        """Count what this worker has more or fewer of."""

    def total(self, what: str) -> int:
        """What all have."""

    def admits(self, name: str) -> bool:
        """Whether a name from outside, as of a station, is one of the first `MOST_NAMES`."""


class Peers(Protocol):
    """What a worker knows of the others.

    Attributes:
        worker: number of this process, from 0 on; those that replace one another overlap for a
            while, so that numbers may be larger than `workers`.
        workers: how many the server has.
        leading: set once this process is the one that does what only one may do.
        counts: what they count together.
    """

    worker: int
    workers: int
    leading: asyncio.Event
    counts: HostCounts

    def answer(self, topic: str, handler: Handler) -> None:
        """Answer the others by `handler` whenever one asks for this; set it before serving."""

    async def ask(self, topic: str, body: Message, within_s: float = 5.0) -> list[Reply]:
        """Ask every other worker; returns once each has answered, has ended or is late.

        Those that have ended are left out: whoever takes their place begins with what is kept on
        disk, or asks for what is not.
        """


class OwnCounts:
    """The counts of a server of one process.

    >>> counts = OwnCounts()
    >>> counts.add("connections", 2)
    >>> counts.total("connections")
    2
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._names: set[str] = set()

    def add(self, what: str, difference: int) -> None:
        """Count what there is more or less of."""
        self._counts[what] += difference
        if not self._counts[what]:
            del self._counts[what]

    def total(self, what: str) -> int:
        """What there is."""
        return self._counts[what]

    def admits(self, name: str) -> bool:
        """Whether a name is one of the first `MOST_NAMES`."""
        if name not in self._names and len(self._names) < MOST_NAMES:
            self._names.add(name)
        return name in self._names


class Alone:
    """A server of one process.

    >>> peers = Alone()
    >>> peers.leading.is_set(), asyncio.run(peers.ask("thresholds", {}))
    (True, [])
    """

    def __init__(self) -> None:
        self.worker, self.workers = 0, 1
        self.counts: HostCounts = OwnCounts()
        self.leading = asyncio.Event()
        self.leading.set()

    def answer(self, topic: str, handler: Handler) -> None:
        """Nobody will ask."""

    async def ask(self, topic: str, body: Message, within_s: float = 5.0) -> list[Reply]:
        """There is nobody to ask."""
        return []


class Messenger:
    """Tells the others what they need not answer.

    >>> Messenger(Alone()).tell("look", {})

    Args:
        peers: the others.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._under_way: set[asyncio.Task[list[Reply]]] = set()

    def tell(self, topic: str, body: Message) -> None:
        """Tell it soon; on the event loop."""
        if self._peers.workers > 1:
            task = asyncio.create_task(self._peers.ask(topic, body))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)


class Led:
    """What any worker is asked for, and only the one that leads does.

    Args:
        peers: the others.
        topic: of what they ask each other.
        do: does it, in the worker that leads.
        unforeseen: logs what is being handled and is no error of ours, for whom it was done; gives
            what they are told instead.
    """

    def __init__(
        self,
        peers: Peers,
        topic: str,
        do: Handler,
        unforeseen: Callable[[Message], TaktError],
    ) -> None:
        self._peers = peers
        self._topic = topic
        self._do = do
        self._unforeseen = unforeseen
        self._stopped = False
        peers.answer(topic, self._asked)

    def stop(self) -> None:
        """Do nothing more for the others, who ask the worker that leads next."""
        self._stopped = True

    async def ask(
        self, body: Message, within_s: float, may_be_done: Callable[[Sequence[Reply]], bool]
    ) -> Message:
        """Have it done, here or by the worker that leads.

        Args:
            body: what is wanted.
            within_s: longest time for an answer.
            may_be_done: whether it may have been done where these were all answers, so that it is
                not asked for once more.

        Raises:
            TaktError: as it was met.
            UnavailableError: none leads, or nobody knows what it did.
        """
        for _ in range(_TRIES):
            if self._peers.leading.is_set():
                return await self._do(body)
            replies = await self._peers.ask(self._topic, body, within_s)
            for reply in replies:
                if "error" in reply.body:
                    raise error_of(reply.body["error"])
                if "done" in reply.body:
                    done: Message = reply.body["done"]
                    return done
            if may_be_done(replies):
                break
            await asyncio.sleep(_AGAIN_S)
        raise UnavailableError(UNLED, retry_after_s=1)

    async def _asked(self, body: Message) -> Message:
        if self._stopped or not self._peers.leading.is_set():
            return {}
        try:
            return {"done": await self._do(body)}
        except TaktError as error:
            return {"error": error_json(error)}
        except Exception:
            return {"error": error_json(self._unforeseen(body))}


async def once_leading(peers: Peers, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do a job that only one process of the server does, once this one leads."""
    await peers.leading.wait()
    await job()
