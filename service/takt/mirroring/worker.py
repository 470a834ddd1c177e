"""A thread that looks at a URL again and again, for as long as the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from takt.core.errors import TaktError
from takt.mirroring.metrics import MirrorMetrics
from takt.mirroring.mirror import Mirror
from takt.peers import Alone, Message, Messenger, Peers

_TOPIC = "mirror"

_AGAIN_S = 2.0
_AGAIN_MOST_S = 30.0
"""A store that is away is asked again after a time that doubles up to this."""

_ENDS_WITHIN_S = 2.0
"""A thread that waits for an answer by then ends with the process."""

logger = logging.getLogger("takt.mirror")


@dataclass(frozen=True, slots=True)
class BundleSource:
    """Where bundles come from, and how that went.

    Attributes:
        url: without secrets.
        away: why the last look failed, if it did.
        refused: why something there is not taken, by model/version.
    """

    url: str
    away: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


class MirrorWorker:
    """Has a mirror look at its URL every few seconds; waits longer while that does not answer.

    Args:
        mirror: looks.
        source: names the URL.
        folder: that is kept equal to it, for the log.
        every_s: time between two looks; 0 looks until it went well once, and when somebody asks.
        metrics: what it tells of itself.
        ending: is set at the end, so that nothing more is read.
        peers: other workers of the server; the one that leads looks, and tells the others.

    Attributes:
        source: as it is by now.
    """

    def __init__(
        self,
        mirror: Mirror,
        source: BundleSource,
        folder: object,
        every_s: float,
        metrics: MirrorMetrics,
        ending: threading.Event,
        peers: Peers | None = None,
    ) -> None:
        self.source = source
        self._peers = peers or Alone()
        self._peers.answer(_TOPIC, self._answer)
        self._messenger = Messenger(self._peers)
        self._has_looked = False
        self._told: Message = {}
        self._looked = asyncio.Event()
        self._mirror = mirror
        self._folder = folder
        self._every_s = every_s
        self._metrics = metrics
        self._ending = ending
        self._asked = threading.Event()
        self._failures = 0
        self._thread: threading.Thread | None = None

    async def begin(
        self, settled: Callable[[], Awaitable[object]], changed: Callable[[], None]
    ) -> None:
        """Starts the thread, once this worker leads.

        Args:
            settled: returns once what is in the folder already may be replaced.
            changed: called on this event loop after a look that has changed the folder.
        """
        loop = asyncio.get_running_loop()

        def tell(has_changed: bool | None) -> None:
            if has_changed is not None:
                self._has_looked = True
                self._looked.set()
            if has_changed or self._told != self._state():
                self._told = self._state()
                self._messenger.tell(_TOPIC, self._told)
            if has_changed:
                changed()

        for reply in await self._peers.ask(_TOPIC, {}):
            self._take(reply.body)
        await self._peers.leading.wait()
        logger.info("models come from %s, and are kept in %s", self.source.url, self._folder)
        await settled()
        self._thread = threading.Thread(
            target=self._run, args=(loop, tell), name="mirror", daemon=True
        )
        self._thread.start()

    async def next_look(self) -> None:
        """Waits until all that is there was fetched or refused, once more since the last call."""
        await self._looked.wait()
        self._looked.clear()

    def ask(self) -> None:
        """Has it look now."""
        self._asked.set()
        if not self._peers.leading.is_set():
            self._messenger.tell(_TOPIC, {"look": True})

    async def close(self) -> None:
        """Ends the thread, in the midst of a file if need be."""
        self._ending.set()
        self._asked.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _ENDS_WITHIN_S)

    async def _answer(self, body: Message) -> Message:
        if not self._peers.leading.is_set():
            self._take(body)
            return {}
        if body.get("look"):
            self._asked.set()
        return self._state()

    def _state(self) -> Message:
        source = self.source
        return {
            "away": source.away,
            "refused": dict(source.refused),
            "has_looked": self._has_looked,
        }

    def _take(self, state: Message) -> None:
        """Takes over what the worker that leads has found."""
        if "refused" not in state:
            return
        self.source = BundleSource(self.source.url, state["away"], state["refused"])
        self._show(self.source)
        if state["has_looked"]:
            self._has_looked = True
            self._looked.set()

    def _show(self, source: BundleSource) -> None:
        self._metrics.up.set(source.away is None)
        self._metrics.refused.set(len(source.refused))

    def _run(self, loop: asyncio.AbstractEventLoop, tell: Callable[[bool | None], None]) -> None:
        while not self._ending.is_set():
            self._asked.clear()
            has_changed = self._look()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell, has_changed)
            wait_s: float | None
            if has_changed is not None:
                wait_s = self._every_s or None
            else:
                again_s = _AGAIN_S * 2.0 ** min(max(self._failures - 1, 0), 10)
                wait_s = max(self._every_s, min(again_s, _AGAIN_MOST_S))
            if not self._ending.is_set():
                self._asked.wait(wait_s)

    def _look(self) -> bool | None:
        """Looks once; None if that failed, or another server was at it."""
        try:
            has_changed = self._mirror.look()
        except TaktError as error:
            self._note(str(error))
            return None
        except Exception as error:
            logger.exception("the look at %s failed", self.source.url)
            self._note(type(error).__name__)
            return None
        self._note(None)
        return has_changed

    def _note(self, away: str | None) -> None:
        if self._ending.is_set():
            return
        was = self.source.away
        if away is not None and was is None:
            logger.warning("%s; what came until now is served", away)
        elif away is None and was is not None:
            logger.info("%s answers again", self.source.url)
        self._failures = 0 if away is None else self._failures + 1
        self.source = BundleSource(self.source.url, away, dict(self._mirror.refused))
        self._show(self.source)
