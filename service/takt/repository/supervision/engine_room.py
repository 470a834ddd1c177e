"""Opens, checks and closes the engines of a version, and waits for none that hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Batch
from takt.core.engines.base import Engine, EngineOutput
from takt.core.engines.golden import BatchDrift, check_golden
from takt.core.engines.opener import EngineOpener, OpenedEngine
from takt.core.engines.options import EnginePlan
from takt.core.errors import EngineHungError
from takt.repository.supervision.aside import Aside
from takt.repository.supervision.lost_threads import LostThreads
from takt.repository.supervision.rules import Supervision

Made = TypeVar("Made")

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class CheckedEngine:
    """An engine that has answered its golden inputs.

    Attributes:
        engine: open.
        plan: by which it was opened.
        drift: from the golden answers.
        batch_s: size of each golden batch, and how long it took.
        open_s: how long opening took.
        check_s: how long all golden answers took.
    """

    engine: Engine
    plan: EnginePlan
    drift: BatchDrift
    batch_s: tuple[tuple[int, float], ...]
    open_s: float
    check_s: float


class EngineRoom:
    """The engines of one version; used on one event loop.

    Args:
        title: name and version, for people.
        open_engine: opens an engine.
        supervision: bounds.
        lost: counts threads that hang.
    """

    def __init__(
        self, title: str, open_engine: EngineOpener, supervision: Supervision, lost: LostThreads
    ) -> None:
        self._title = title
        self._open_engine = open_engine
        self._supervision = supervision
        self._lost = lost
        self._engines: set[Engine] = set()
        self._users: dict[Engine, list[asyncio.Future[None]]] = defaultdict(list)
        self._closing: dict[asyncio.Task[None], Engine] = {}
        self._closed = False

    async def open(self, bundle: Bundle, before: CheckedEngine | None = None) -> CheckedEngine:
        """Opens an engine, checks it, and makes it as small as it may be.

        Args:
            bundle: to run.
            before: another engine of this version, which tells how long this one may take.

        Raises:
            EngineHungError: it does not open or answer; should it still open, it is closed again.
            TaktError: it cannot be opened, fails, or drifts.
        """
        rules = self._supervision
        opening_s = rules.within_s(before.open_s) if before else rules.first_open_s
        started_s = time.monotonic()
        given_up = threading.Event()
        opening = Aside(partial(self._open_here, bundle, given_up), f"opening {self._title}")
        try:
            opened = await self._bounded(opening, opening_s)
        except BaseException:
            given_up.set()
            raise
        opened_s = time.monotonic()
        try:
            return await self._checked(opened, bundle, opened_s - started_s, before)
        except BaseException:
            self.release(opened.engine)
            raise

    async def check(self, engine: CheckedEngine, bundle: Bundle) -> None:
        """Has an engine answer its golden inputs once more.

        Raises:
            EngineHungError: it does not answer.
            TaktError: it fails, or drifts.
        """
        check = partial(check_golden, engine.engine, bundle, engine.plan.variant)
        checking = Aside(check, f"checking {self._title}")
        await self._bounded(checking, self._supervision.within_s(engine.check_s), engine.engine)

    def used(self, engine: Engine, ended: asyncio.Future[None]) -> None:
        """Note that a thread is in an engine until it ends; nobody closes the engine before."""
        inside = [other for other in self._users[engine] if not other.done()]
        self._users[engine] = [*inside, ended]

    def release(self, engine: Engine) -> None:
        """Closes an engine in the background, as soon as no thread is in it."""
        if engine in self._engines:
            self._engines.discard(engine)
            closing = asyncio.create_task(self._close_unused(engine))
            self._closing[closing] = engine
            closing.add_done_callback(self._closing.pop)

    async def close_unless_used(self, engine: Engine) -> None:
        """Closes an engine that no thread is in, and waits for it as long as that may take."""
        if engine in self._engines and not self._in_use(engine):
            self._engines.discard(engine)
            await self._close(engine)

    async def close(self) -> None:
        """Closes all engines but those that a thread hangs in."""
        self._closed = True
        await asyncio.gather(*(self.close_unless_used(engine) for engine in list(self._engines)))
        ending = [
            task
            for task, engine in self._closing.items()
            if not any(ended in self._lost for ended in self._users[engine])
        ]
        if ending:
            await asyncio.wait(ending, timeout=self._supervision.close_s)

    async def _checked(
        self, opened: OpenedEngine, bundle: Bundle, open_s: float, before: CheckedEngine | None
    ) -> CheckedEngine:
        rules, engine = self._supervision, opened.engine
        timed = _Timed(engine)
        explain = partial(opened.drifting_layers, bundle)
        checking_s = rules.within_s(before.check_s) if before else rules.first_check_s

        def check() -> BatchDrift:
            drift = check_golden(timed, bundle, opened.plan.variant, explain)
            engine.trim()
            return drift

        started_s = time.monotonic()
        drift = await self._bounded(Aside(check, f"checking {self._title}"), checking_s, engine)
        check_s = time.monotonic() - started_s
        return CheckedEngine(engine, opened.plan, drift, tuple(timed.batch_s), open_s, check_s)

    async def _bounded(
        self, call: Aside[Made], within_s: float, engine: Engine | None = None
    ) -> Made:
        """Waits for a call; one that is late is lost, and its engine is not closed meanwhile."""
        late = EngineHungError(f"{call.name} has not ended within {within_s:.0f} s")
        if engine is not None:
            self.used(engine, call.ended)
        try:
            return await call.result(within_s, late)
        except EngineHungError:
            self._lost.add(call.ended)
            raise

    def _open_here(self, bundle: Bundle, given_up: threading.Event) -> OpenedEngine:
        """Opens an engine on this thread, which nobody may wait for any more at its end."""
        opened = self._open_engine(bundle)
        if self._closed or given_up.is_set():
            self._close_here(opened.engine)
        else:
            self._engines.add(opened.engine)
        return opened

    def _in_use(self, engine: Engine) -> bool:
        return any(not ended.done() for ended in self._users[engine])

    async def _close_unused(self, engine: Engine) -> None:
        if self._in_use(engine):
            await asyncio.wait(self._users[engine])
        self._users.pop(engine, None)
        await self._close(engine)

    async def _close(self, engine: Engine) -> None:
        closing = Aside(partial(self._close_here, engine), f"closing {self._title}")
        try:
            await self._bounded(closing, self._supervision.close_s)
        except EngineHungError as error:
            logger.error("%s", error)

    def _close_here(self, engine: Engine) -> None:
        try:
            engine.close()
        except Exception:
            logger.exception("an engine of %s did not close", self._title)


class _Timed:
    """An engine whose batches are timed."""

    def __init__(self, engine: Engine) -> None:
        self.description, self.shareable = engine.description, engine.shareable
        self.batch_s: list[tuple[int, float]] = []
        self._engine = engine
        self.trim, self.close = engine.trim, engine.close

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch and notes how long it took."""
        started_s = time.monotonic()
        output = self._engine.infer(images)
        self.batch_s.append((len(images), time.monotonic() - started_s))
        return output
