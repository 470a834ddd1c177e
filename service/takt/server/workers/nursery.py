"""The process that workers are forked from: it has loaded what they need, and has no threads.

A worker that ends under load is back within a second, though loading takes longer than that; and
what they have loaded is there once. For a reload the supervisor starts another nursery, so that a
new version of the software comes in as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from takt.server.workers.nursing import WorkerOrder, take_order


def main(control: socket.socket) -> None:
    """Fork workers as ordered, until the supervisor has closed its end and they have ended.

    Args:
        control: takes orders, and says `{"loaded": true}`, each worker's pid, and how it ended.
    """
    # It and its workers may log at a terminal whose foreground is the supervisor's.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    # Loaded here, once: a worker begins with them.
    import takt.server.workers.worker as worker

    with contextlib.suppress(ImportError):
        import onnxruntime  # noqa: F401
    # Ctrl-C at a terminal, and systemd's SIGTERM to a whole group, are the supervisor's to answer.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    _say(control, {"loaded": True})
    children: set[int] = set()
    ordering = True
    while ordering or children:
        ready, _, _ = select.select([woken, *([control] if ordering else [])], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                woken.recv(4096)
            for pid, status in _ended(children):
                _say(control, {"ended": pid, "status": status})
        if control in ready:
            taken = take_order(control)
            if taken is None:
                ordering = False
                continue
            order, descriptors = taken
            pid = os.fork()
            if pid == 0:
                for own in (control, woken, waker):
                    own.close()
                _be_worker(worker.main, order, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            children.add(pid)
            _say(control, {"number": order.number, "pid": pid})


def _be_worker(run: Any, order: WorkerOrder, descriptors: list[int]) -> None:
    """Be the worker; never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for usual in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(usual, signal.SIG_DFL)
        status = run(order, *descriptors)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _ended(children: set[int]) -> list[tuple[int, int]]:
    ended = []
    for pid in list(children):
        with contextlib.suppress(ChildProcessError):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended.append((pid, os.waitstatus_to_exitcode(status)))
                children.discard(pid)
    return ended


def _say(control: socket.socket, facts: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the supervisor is gone
        control.send(json.dumps(facts).encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
