"""What a worker knows of the others: it asks them through the supervisor."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable

from takt.core.errors import TaktError
from takt.peers import Handler, HostCounts, Message, Reply
from takt.server.workers.ways.messages import MessageChannel

_LATE_S = 1.0
"""How much longer than the supervisor a worker waits for what the others say."""

logger = logging.getLogger("takt.workers")


class WorkerPeers:
    """The other workers, as `takt.peers.Peers` says.

    Args:
        worker: number of this one.
        workers: how many the server has.
        counts: what they count together.
        end: this end of the messages' channel, which `close` closes.
    """

    def __init__(
        self,
        worker: int,
        workers: int,
        counts: HostCounts,
        end: socket.socket,
    ) -> None:
        self.worker = worker
        self.workers = workers
        self.counts = counts
        self.leading = asyncio.Event()
        self._alone = False
        self._channel = MessageChannel(end)
        self._told: Callable[[Message], None] = lambda message: None
        self._handlers: dict[str, Handler] = {}
        self._asked: dict[int, asyncio.Future[list[Reply]]] = {}
        self._ids = itertools.count()
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self, told: Callable[[Message], None], orphaned: Callable[[], None]) -> None:
        """Begin to hear the others.

        Args:
            told: hears what the supervisor itself says.
            orphaned: called once the supervisor is gone.
        """

        def ended() -> None:
            self._alone = True
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_result([])
            orphaned()

        self._told = told
        await self._channel.open(self._take, ended)

    async def close(self) -> None:
        """Send what waits, and hear no more."""
        await self._channel.close()

    def answer(self, topic: str, handler: Handler) -> None:
        """Answer the others by `handler`."""
        self._handlers[topic] = handler

    async def ask(self, topic: str, body: Message, within_s: float = 5.0) -> list[Reply]:
        """Ask every other worker; empty where the supervisor is gone, or does not answer."""
        if self._alone:
            return []
        id = next(self._ids)
        asked: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._asked[id] = asked
        self.say("ask", id=id, topic=topic, body=body, within_s=within_s)
        try:
            async with asyncio.timeout(within_s + _LATE_S):
                return await asked
        except TimeoutError:
            logger.error("the other workers were not heard within %.0f s", within_s)
            return []
        finally:
            del self._asked[id]

    def say(self, kind: str, **facts: object) -> None:
        """Tell the supervisor."""
        self._channel.send({"kind": kind, **facts})

    def _take(self, message: Message) -> None:
        match message["kind"]:
            case "ask":
                task = asyncio.create_task(self._answer(message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case "replies":
                asked = self._asked.get(message["id"])
                if asked is not None and not asked.done():
                    asked.set_result([Reply(**one) for one in message["replies"]])
            case "lead":
                self.leading.set()
            case _:
                self._told(message)

    async def _answer(self, message: Message) -> None:
        handler = self._handlers.get(message["topic"])
        body: Message = {}
        failure = None
        try:
            if handler is None:
                failure = f"this worker knows nothing of {message['topic']}"
            else:
                body = await handler(message["body"])
        except TaktError as error:
            failure = str(error)
        except Exception as error:
            logger.exception("another worker could not be answered about %s", message["topic"])
            failure = type(error).__name__
        self.say("reply", id=message["id"], body=body, failure=failure)
