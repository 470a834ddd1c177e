"""The other replicas, as the parts of one see them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from takt.peers import Handler, HostCounts, Message, OwnCounts, Reply

Answer = TypeVar("Answer")
_NAME, _NAMES = "name", "names"
_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a replica says to a question.

    Attributes:
        name: of the replica.
        body: its answer; None where it has asked itself.
    """

    name: str
    body: Message | None


class Broadcast(Protocol[Answer]):
    """What Ray returns at once, where all replicas that get requests are asked."""

    def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> Awaitable[list[Answer | BaseException]]:
        """Waits for all of them."""


class Replicas:
    """Asks the other replicas by Ray's own messages; each leads, as each may be alone on its node.

    So a change is made by the replica that got the request, and is in force in the others before
    it is answered.

    Args:
        name: of this replica.
        ask_all: asks every replica that gets requests, this one included: the name of who asks,
            the topic and the question.
        nobody: what Ray raises where none gets requests, yet or any more.
        gone: what Ray gives in place of the answer of one that has ended.

    Attributes:
        worker: always 0, as replicas have names.
        workers: always 2, as others may come at any time.
        leading: always set.
        counts: its own, as limits are those of a replica.
    """

    def __init__(
        self,
        name: str,
        ask_all: Callable[[str, str, Message], Broadcast[Told]],
        nobody: type[Exception],
        gone: tuple[type[Exception], ...],
    ) -> None:
        self.worker, self.workers = 0, 2
        self.counts: HostCounts = OwnCounts()
        self.leading = asyncio.Event()
        self.leading.set()
        self._name = name
        self._ask_all = ask_all
        self._nobody, self._gone = nobody, gone
        self._handlers: dict[str, Handler] = {}

    def answer(self, topic: str, handler: Handler) -> None:
        """Answer the others by `handler` whenever one asks for this; set it before serving."""
        self._handlers[topic] = handler

    async def hear(self, asker: str, topic: str, body: Message) -> Told:
        """Answer another replica; Ray calls it."""
        if asker == self._name:
            return Told(self._name, None)
        if topic == _NAME:
            return Told(self._name, {})
        if topic == _NAMES:
            return Told(self._name, {"names": await self.names()})
        return Told(self._name, await self._handlers[topic](body))

    async def ask(self, topic: str, body: Message, within_s: float = 5.0) -> list[Reply]:
        """Ask every other replica; those that have ended are left out."""
        try:
            answers = await self._all(topic, body, within_s)
        except TimeoutError:
            return [Reply(0, {}, f"a replica has not answered within {within_s:.0f} s")]
        replies = []
        for number, answer in enumerate(answers):
            if isinstance(answer, Told):
                if answer.body is not None:
                    replies.append(Reply(number, answer.body))
            elif not isinstance(answer, self._gone):
                replies.append(Reply(number, {}, str(answer)))
        return replies

    async def names(self) -> list[str]:
        """Names of the replicas that get requests.

        Raises:
            Exception: one of them has just ended or does not answer.
        """
        names = []
        for answer in await self._all(_NAME, {}, _WITHIN_S):
            if not isinstance(answer, Told):
                raise answer
            names.append(answer.name)
        return names

    async def known(self) -> bool:
        """Whether this replica gets requests, and each of the others would ask it.

        Each learns of a new one from Ray in its own time.

        Raises:
            Exception: one of them has just ended or does not answer.
        """
        names = await self.names()
        heard = await self.ask(_NAMES, {})
        return self._name in names and all(
            self._name in reply.body.get("names", ()) for reply in heard
        )

    async def _all(self, topic: str, body: Message, within_s: float) -> list[Told | BaseException]:
        asked = self._ask_all(self._name, topic, body)
        try:
            return await asked.results_async(timeout_s=within_s, return_exceptions=True)
        except self._nobody:
            return []
