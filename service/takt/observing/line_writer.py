"""Writes what is logged from a thread of its own, so that a slow reader makes nobody wait."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

_MOST = 10_000_000
"""Characters that may wait, whole messages of many lines and single ones alike."""
_OF_A_RECORD = 1000
"""Characters by which a waiting message counts beside its text."""

_CLOSED_WITHIN_S = 2.0

_WHOLE_BYTES = 4096
"""So many bytes go into a pipe as one piece, whoever else writes to it (PIPE_BUF on Linux)."""

logger = logging.getLogger("takt.log")


class Lines(queue.Queue[logging.LogRecord | None]):
    """Records whose message is complete, bounded by their characters; None ends them."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._characters = 0

    def _qsize(self) -> int:
        return self._characters

    def _put(self, item: logging.LogRecord | None) -> None:
        self._characters += _characters_of(item)
        super()._put(item)

    def _get(self) -> logging.LogRecord | None:
        item: logging.LogRecord | None = super()._get()
        self._characters -= _characters_of(item)
        return item


def _characters_of(record: logging.LogRecord | None) -> int:
    return _OF_A_RECORD + (0 if record is None else len(record.msg))


class LineWriter(QueueHandler):
    """A log handler with a bounded queue before a stream; counts the lines that find it full.

    >>> import contextlib, sys
    >>> with contextlib.closing(LineWriter(sys.stdout)) as writer:
    ...     writer.put("served")
    served

    Args:
        stream: of text, such as standard error.
        most: characters that may wait.
        shared: whether other processes write to the stream, so that lines must stay whole.
    """

    def __init__(self, stream: TextIO | None, most: int = _MOST, *, shared: bool = False) -> None:
        self._lines = Lines(most)
        super().__init__(self._lines)
        self._stream = (_PiecesHandler if shared else _QuietStreamHandler)(stream)
        self._lost = 0
        self._ended = False
        self._listener = _Listener(self._lines, self._stream, self._report_lost)
        self._listener.start()

    def put(self, lines: str) -> None:
        """Write lines soon, without the last one's end; any thread may call, and none waits."""
        self.enqueue(logging.makeLogRecord({"msg": lines}))

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record's line, made on the calling thread, as its arguments may change later."""
        return logging.makeLogRecord({"msg": self.format(record)})

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a message if there is room; once closed, write it at once."""
        if self._ended:
            self._stream.handle(record)
            return
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self._lost += 1 + record.msg.count("\n")

    def close(self) -> None:
        """Write what waits, as far as somebody reads it within a moment; again does nothing."""
        super().close()
        if self._ended:
            return
        stopping = threading.Thread(target=self._listener.stop, daemon=True)
        stopping.start()
        stopping.join(_CLOSED_WITHIN_S)
        self._ended = True
        # Where nobody reads, the report would wait for a reader as well.
        if not stopping.is_alive():
            self._report_lost()

    def _report_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            logger.warning("%d lines were lost, as nobody read them in time", lost)


class _Listener(QueueListener):
    """Calls `idle` whenever no message waits."""

    def __init__(self, lines: Lines, handler: logging.Handler, idle: Callable[[], None]) -> None:
        super().__init__(lines, handler)
        self._lines = lines
        self._idle = idle

    def handle(self, record: logging.LogRecord) -> None:
        super().handle(record)
        if self._lines.empty():
            self._idle()

    def enqueue_sentinel(self) -> None:
        # The base class takes no end for an answer where the queue is full; this waits for room.
        self._lines.put(None)


class _QuietStreamHandler(logging.StreamHandler[TextIO]):
    """Goes on where nobody reads any more what is written."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class _PiecesHandler(_QuietStreamHandler):
    """Writes whole lines in pieces that nobody else's come between."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for piece in pieces_of(self.format(record) + self.terminator):
                self.stream.write(piece)
                self.flush()
        except Exception:
            self.handleError(record)


def pieces_of(text: str, most_bytes: int = _WHOLE_BYTES) -> Iterator[str]:
    r"""A text in pieces of whole lines; a line that is longer than a piece is one by itself.

    >>> list(pieces_of("one\ntwo\nthree\n", most_bytes=8))
    ['one\ntwo\n', 'three\n']
    """
    piece, size = "", 0
    for line in text.splitlines(keepends=True):
        length = len(line.encode(errors="replace"))
        if piece and size + length > most_bytes:
            yield piece
            piece, size = "", 0
        piece += line
        size += length
    if piece:
        yield piece
