"""Becomes another program that goes behind the server's work, and ends with the server.

`python -m takt.learning.launcher SERVER COMMAND…`, where SERVER is the number of the server's
process. On Linux the kernel ends the program when the server ends, however that happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_NICE = 19
_FIRST_TO_GO = "1000"
"""Score by which Linux ends this process before others where memory runs out."""


def become(server: int, command: Sequence[str]) -> None:
    """Become a command, below the server's priority and with its end; does not return.

    Args:
        server: number of the process that must be this one's parent.
        command: the program's path and its arguments.
    """
    # A group of its own, so that what it starts can be ended with it. No session of its own: the
    # kernel could give each session an equal share of the cores, whatever the priorities in it.
    os.setpgid(0, 0)
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    end_with_parent()
    if os.getppid() != server:
        raise SystemExit("the server has ended")
    os.execv(command[0], list(command))


def end_with_parent() -> None:
    """Have the kernel end this process, and what it becomes, when its parent ends; on Linux."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
