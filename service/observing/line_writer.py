"""Writes what is logged from a thread of its own: a reader that stops reading stops nobody."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from types import TracebackType
from typing import Self, TextIO

_MOST = 1000
"""Messages that may wait, each of some lines at most: together some ten megabytes."""

_CLOSED_WITHIN_S = 2.0

logger = logging.getLogger("takt.log")


class LineWriter:
    """A bounded queue before a stream; what finds it full is lost, and counted.

    Args:
        stream: of text, such as standard error; None where the process has none.
        most: messages that may wait.
    """

    def __init__(self, stream: TextIO | None, most: int = _MOST) -> None:
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(most)
        self._lost = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """The writer; it is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, lines: str) -> None:
        """Write whole lines soon; any thread may ask, and none waits."""
        if self._closed:
            self._write(lines)
            return
        try:
            self._queue.put_nowait(lines)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what waits, as far as somebody reads it within a moment; again does nothing."""
        if self._closed:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSED_WITHIN_S)
            self._thread.join(_CLOSED_WITHIN_S)
        self._closed = True

    def _run(self) -> None:
        while (lines := self._queue.get()) is not None:
            self._write(lines)
            if self._queue.empty():
                self._tell_lost()
        # What is logged from now on has no queue to wait in.
        self._closed = True
        self._tell_lost()

    def _tell_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            logger.warning("%d messages were lost, as nobody read them in time", lost)

    def _write(self, lines: str) -> None:
        if self._stream is None:
            return
        # As in logging: nobody is refused because nobody reads what is written.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(lines)
            self._stream.flush()
