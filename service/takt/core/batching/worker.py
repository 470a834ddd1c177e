"""A runner's thread, and what may go wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol

from takt.core.batching.work import Batch, Item, Job, Observer, Result, Runner
from takt.core.domain import DropReason, EngineFault
from takt.core.errors import NotReadyError

logger = logging.getLogger("takt.batching")


class Keeper(Protocol):
    """Mends what is broken; called on the batcher's event loop."""

    def broken(self, place: int, fault: EngineFault, ended: asyncio.Future[None]) -> None:
        """The worker of a place works no more; `Batcher.replace` puts another there.

        Args:
            place: number of the runner.
            fault: what is wrong with it.
            ended: done once its thread has ended, which that of a hung runner may never do.
        """

    def outage(self) -> NotReadyError:
        """The error for whoever comes while no worker works; says when to come back."""


class Worker(Generic[Item, Result]):
    """A runner and the thread that it runs on; made on the event loop.

    Args:
        place: number of the runner.
        runner: runs batches.
        body: of the thread.
        name: of the thread.

    Attributes:
        work: what the thread has taken; its callers get an error if the thread is given up.
        since_s: when the batch that runs was begun, on the monotonic clock; None between batches.
        failures: batches that failed in a row.
        dismissed: whether it takes no more work.
        lost: whether it hangs: whatever it still answers comes too late.
        ended: done once the thread has ended.
    """

    def __init__(
        self,
        place: int,
        runner: Runner[Item, Result],
        body: Callable[[Worker[Item, Result]], None],
        name: str,
    ) -> None:
        self.place = place
        self.runner = runner
        self.work: Batch[Item, Result] | Job[Item, Result] | None = None
        self.since_s: float | None = None
        self.failures = 0
        self.dismissed = self.lost = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The process never waits for a thread that hangs.
        self.thread = threading.Thread(target=body, args=(self,), name=name, daemon=True)


class Unbroken:
    """Passes on what an observer is to hear; an error of the observer harms no batch.

    Args:
        observer: hears of batches and of dropped items.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def on_batch(self, size: int, run_s: float) -> None:
        """Passes on that a batch ran."""
        try:
            self._observer.on_batch(size, run_s)
        except Exception:
            self.on_error()

    def on_dropped(self, reason: DropReason) -> None:
        """Passes on that an item was given up."""
        try:
            self._observer.on_dropped(reason)
        except Exception:
            self.on_error()

    def on_error(self) -> None:
        """Logs and counts an error of the observer."""
        logger.exception("a batch is missing from the metrics")
        with contextlib.suppress(Exception):
            self._observer.on_error()
