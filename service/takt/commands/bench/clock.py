"""Clock that wakes on time; event loops round their timers up to a millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_ABSOLUTE = 1
_EXPIRATIONS_BYTES = 8


class LoadClock(Protocol):
    """Time of the load generator."""

    def now_s(self) -> float:
        """Seconds that only grow."""

    async def sleep_until(self, at_s: float) -> None:
        """Returns at that moment, or a little later."""


class LoopClock:
    """Timers of the event loop, a millisecond coarse."""

    def now_s(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    async def sleep_until(self, at_s: float) -> None:
        """Returns at that moment, or a little later."""
        await asyncio.sleep(at_s - time.monotonic())


class TimerfdClock(LoopClock):
    """Linux's timer as a file descriptor: precise, without a thread and without spinning.

    It takes one sleeper at a time. Python has it in `os` from 3.13 on only.
    """

    def __init__(self, libc: ctypes.CDLL, fd: int) -> None:
        self._libc = libc
        self._fd = fd

    async def sleep_until(self, at_s: float) -> None:
        """Returns at that moment, or a little later."""
        seconds, nanoseconds = divmod(round(at_s * 1e9), 10**9)
        # No interval, as it rings once; then the moment.
        timer = (ctypes.c_long * 4)(0, 0, seconds, nanoseconds)
        if self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(timer), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        loop = asyncio.get_running_loop()
        rung = loop.create_future()
        loop.add_reader(self._fd, self._ring, rung)
        try:
            await rung
        finally:
            loop.remove_reader(self._fd)

    def _ring(self, rung: asyncio.Future[None]) -> None:
        os.read(self._fd, _EXPIRATIONS_BYTES)
        if not rung.done():
            rung.set_result(None)


@contextlib.contextmanager
def precise_clock() -> Iterator[LoadClock]:
    """The most precise clock of this host."""
    fd = -1
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
    if fd < 0:
        yield LoopClock()
        return
    try:
        yield TimerfdClock(libc, fd)
    finally:
        os.close(fd)
