"""Signals beside those that uvicorn takes: SIGQUIT ends, SIGHUP reloads, others change nothing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType


def signals_named(*names: str) -> tuple[signal.Signals, ...]:
    """Those that this platform has.

    >>> signals_named("SIGINT", "SIGNOTHING")
    (<Signals.SIGINT: 2>,)
    """
    known = signal.Signals.__members__
    return tuple(known[name] for name in names if name in known)


ENDING = signals_named("SIGQUIT")
RELOADING = signals_named("SIGHUP")
IGNORED = signals_named("SIGUSR1", "SIGUSR2")


Handler = Callable[[int, FrameType | None], object]


@contextlib.contextmanager
def handled(
    handlers: Mapping[tuple[signal.Signals, ...], Handler],
) -> Iterator[None]:
    """Handle signals while the block runs; does nothing outside the main thread.

    Args:
        handlers: by the signals that each one takes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {}
    for taken, handler in handlers.items():
        for one in taken:
            former[one] = signal.signal(one, handler)
    try:
        yield
    finally:
        for one, before in former.items():
            signal.signal(one, before)
