"""An outlet behind a bounded queue, so that nothing that it does reaches the line."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple

from prometheus_client import Counter

from takt.core.domain import RawPicture
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import Sender

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of pictures that wait for one outlet."""

_GATHERED = 64
"""Most answers that a sender gathers while further ones wait."""

_FLUSHED_EVERY_S = 0.02
"""Least time between two times that a sender is to send what it has gathered: one that is asked for
each of a hundred answers a second takes twice the time. What comes later than that is sent at once.
"""

_SAID_EVERY_S = 10.0
"""Time in which further failures are only counted."""

logger = logging.getLogger("takt.outlets")


class _Waiting(NamedTuple):
    """What sends an answer or a part's result that waits, and the bytes of the picture with it."""

    send: Callable[[], object]
    bytes: int


class QueuedOutlet:
    """Takes answers on the event loop, and hands them to a sender on a thread of its own.

    Whatever the sender does, an inspection neither waits nor fails: what finds no room is counted
    as lost, and what raises as failed.

    Args:
        name: tells it from other outlets, in metrics and logs.
        sender: takes the answers.
        metrics: counts what becomes of them.
        most_bytes: of pictures that wait.
    """

    def __init__(
        self, name: str, sender: Sender, metrics: OutletMetrics, most_bytes: int = MOST_BYTES
    ) -> None:
        self._name = name
        self._sender = sender
        self._most_bytes = most_bytes
        # Its put never waits, and None ends the thread.
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        # Each number is changed by one thread alone.
        self._taken = self._taken_bytes = 0
        self._done = self._done_bytes = 0
        # Of the answers that the sender has, and has not been told to send.
        self._gathered_bytes: list[int] = []
        self._counts = metrics.watch(name, lambda: self.waiting)
        self._ending = False
        # Held while an answer is counted as done, and while those left at the end are counted.
        self._settling = threading.Lock()
        self._given_up = False
        self._failures = 0
        self._said_at_s = -_SAID_EVERY_S
        self._thread = threading.Thread(target=self._run, name=f"outlet-{name}", daemon=True)

    @property
    def waiting(self) -> int:
        """Answers that wait to be sent, the one under way included."""
        return self._taken - self._done

    def start(self) -> None:
        """Begin to send."""
        logger.info("answers go to the outlet %s as well", self._name)
        self._thread.start()

    def note(self, answer: AnswerRecord, asked: Asked) -> None:
        """Take an answer; see `Outlet`."""
        if self._is_full():
            return
        picture = asked.picture if self._sender.pictures else None
        size = 0
        if picture is not None:
            size = len(picture.pixels) if isinstance(picture, RawPicture) else len(picture)
            if self._taken_bytes - self._done_bytes + size > self._most_bytes:
                picture, size = None, 0
        self._put(partial(self._sender.send, answer, asked._replace(picture=picture)), size)

    def note_part(self, part: PartRecord) -> None:
        """Take the result of a part; see `Outlet`."""
        if self._sender.send_part is not None and not self._is_full():
            self._put(partial(self._sender.send_part, part), 0)

    def close(self, timeout_s: float) -> None:
        """Send what waits, within a time, and end; what is left then is counted as lost."""
        self._ending = True
        self._queue.put(None)
        if self._thread.ident is None:
            self._do(self._sender.close)
        else:
            self._thread.join(timeout_s)
        with self._settling:
            self._given_up = True
            left = self.waiting
            self._taken -= left
        if left:
            self._counts.lost.inc(left)
            logger.error(
                "answers that have not reached the outlet %s, as it ends: %d", self._name, left
            )
        elif self._thread.is_alive():
            logger.error("the outlet %s does not end, and is left", self._name)

    def _is_full(self) -> bool:
        """Whether one more finds no room, and is counted as lost."""
        is_full = self._ending or self.waiting >= self._sender.most_waiting
        if is_full:
            self._counts.lost.inc()
        return is_full

    def _put(self, send: Callable[[], object], size: int) -> None:
        self._taken += 1
        self._taken_bytes += size
        self._queue.put(_Waiting(send, size))

    def _run(self) -> None:
        self._do(self._sender.begin)
        flushed_s, goes_on = -math.inf, True
        while goes_on and not self._given_up and (one := self._queue.get()) is not None:
            self._handle(one)
            # Not kept until the next one comes, as it may hold a picture.
            del one
            goes_on = self._gather(flushed_s + _FLUSHED_EVERY_S)
            flushed_s = time.monotonic()
            self._flush()
        self._flush()
        try:
            self._sender.close()
        except BaseException:
            logger.exception("the outlet %s has not ended well", self._name)

    def _gather(self, until_s: float) -> bool:
        """Send what comes until a time, and what waits by then; whether more may come."""
        for _ in range(_GATHERED - 1):
            if self._given_up:
                return False
            try:
                one = self._queue.get(timeout=max(0.0, until_s - time.monotonic()))
            except Empty:
                return True
            if one is None:
                return False
            self._handle(one)
            del one
        return True

    def _handle(self, one: _Waiting) -> None:
        try:
            one.send()
        except BaseException as error:  # a thread that ends would send nothing any more
            self._settle([one.bytes], self._counts.failed)
            self._tell(error)
        else:
            self._gathered_bytes.append(one.bytes)

    def _flush(self) -> None:
        """Have the sender send what it has gathered, which is done with then."""
        self._do(self._sender.flush)
        self._settle(self._gathered_bytes, self._counts.sent)
        self._gathered_bytes = []

    def _do(self, what: Callable[[], object]) -> None:
        try:
            what()
        except BaseException as error:
            self._tell(error)

    def _settle(self, sizes: list[int], outcome: Counter) -> None:
        """Count answers that are done with, of so many bytes each."""
        with self._settling:
            if not self._given_up:
                self._done += len(sizes)
                self._done_bytes += sum(sizes)
                outcome.inc(len(sizes))

    def _tell(self, error: BaseException) -> None:
        """Log a failure, or count it until the next one that is logged."""
        self._failures += 1
        now_s = time.monotonic()
        if now_s - self._said_at_s < _SAID_EVERY_S:
            return
        logger.error(
            "the outlet %s has failed to send; answers since this was last said: %d",
            self._name,
            self._failures,
            exc_info=error,
        )
        self._said_at_s, self._failures = now_s, 0
