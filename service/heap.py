"""Memory that was freed goes back to the operating system, where the C library can do that."""

from __future__ import annotations

import contextlib
import ctypes


def return_freed_memory() -> None:
    """Ask for it; takes some milliseconds, in which others that allocate may wait.

    glibc keeps what a loaded and checked model needed for a moment, in each thread's arena: after
    ten models that stepped in one after another a process had twice the memory that it used.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
