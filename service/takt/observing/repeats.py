"""A row of equal failures is one line in the log, with a count."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

Key = tuple[str, object, str, str]
Later = Callable[[float, Callable[[], None]], object]

WITHIN_S = 10.0
"""Time in which failures like the first one are only counted."""

_OF_HANDSHAKE = '%s - "WebSocket %s" %d'
"""How uvicorn tells of a WebSocket that the app has refused."""

_MOST_ROWS = 32
"""Most kinds of failures that are counted at the same time; others are logged one by one."""


def _after(wait_s: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(wait_s, call)
    timer.daemon = True
    timer.start()


class Repeats(logging.Filter):
    """Lets the first of equal failures through, counts those after it, and tells their number.

    Failures are equal if the same place logs an exception of the same type and text, whatever
    else the line says. What tells of no exception, or is no warning, is let through; but refused
    handshakes of WebSockets are equal if their status is.

    >>> logger, lines = logging.getLogger("takt.repeats"), logging.Handler()
    >>> lines.emit = lambda record: print(record.levelname, record.getMessage())
    >>> logger.addHandler(lines)
    >>> ends = []
    >>> lines.addFilter(Repeats(lines.handle, later=lambda wait_s, end: ends.append(end)))
    >>> for part in range(129):
    ...     logger.error("request %d failed: %s", part, ValueError("no engine"))
    ERROR request 0 failed: no engine
    >>> ends.pop()()
    ERROR ... and 128 more of the same in 10 s: ValueError: no engine
    >>> logger.removeHandler(lines)

    Args:
        emit: takes the line with the number.
        later: calls a function after a time.
    """

    def __init__(self, emit: Callable[[logging.LogRecord], object], later: Later = _after) -> None:
        super().__init__()
        self._emit = emit
        self._later = later
        self._lock = threading.Lock()
        self._rows: dict[Key, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record."""
        key = _key_of(record)
        if key is None:
            return True
        with self._lock:
            if key in self._rows:
                self._rows[key] += 1
                return False
            if len(self._rows) >= _MOST_ROWS:
                return True
            self._rows[key] = 0
        self._later(WITHIN_S, partial(self._end, key, record.levelno))
        return True

    def _end(self, key: Key, level: int) -> None:
        with self._lock:
            more = self._rows.pop(key)
        if more:
            name, _, kind, text = key
            line = f"... and {more} more of the same in {WITHIN_S:.0f} s: {kind}: {text}"
            self._emit(logging.LogRecord(name, level, __file__, 0, line, (), None))


def _key_of(record: logging.LogRecord) -> Key | None:
    """What is equal in equal failures; None for what is no failure."""
    if record.msg == _OF_HANDSHAKE and isinstance(record.args, tuple):
        return (record.name, record.msg, "WebSocket refused", str(record.args[-1]))
    error = _exception_of(record)
    if error is None or record.levelno < logging.WARNING:
        return None
    return (record.name, record.msg, type(error).__name__, str(error))


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that a record tells of."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    arguments = record.args if isinstance(record.args, tuple) else ()
    return next((one for one in arguments if isinstance(one, BaseException)), None)
