"""Servers that are forked off a process that has imported and declared everything once.

    with forking() as start:
        process = start(["serve", "--repository", "examples/bank"])

Such a server starts in a fraction of the time, and is otherwise the one of the command `takt`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TextIO

import httpx

_BANK = Path(__file__).parents[1] / "examples/bank"
_MESSAGE_BYTES = 1 << 17

Start = Callable[[Sequence[str]], "Forked"]


@dataclass
class Forked:
    """A process of `takt`, with what tests use of `subprocess.Popen`."""

    pid: int
    stderr: TextIO
    keeper: socket.socket
    returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            TimeoutError: it has not ended by then.
        """
        if self.returncode is None:
            self.keeper.settimeout(timeout)
            self.returncode = int(self.keeper.recv(_MESSAGE_BYTES))
            self.keeper.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        with suppress(BlockingIOError):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def forking() -> Iterator[Start]:
    """A process that forks others off by their arguments to `takt`."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.forked", f"{its.fileno()}"]
    with ours, subprocess.Popen(command, pass_fds=[its.fileno()]) as process:
        its.close()

        def start(arguments: Sequence[str]) -> Forked:
            keeper, of_keeper = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            log, of_log = os.pipe()
            told = json.dumps([[*arguments], {**os.environ}]).encode()
            socket.send_fds(ours, [told], [of_keeper.fileno(), of_log])
            of_keeper.close()
            os.close(of_log)
            return Forked(int(keeper.recv(_MESSAGE_BYTES)), open(log, encoding="utf-8"), keeper)

        yield start
        ours.close()
        process.wait()


def _fork_servers(channel: socket.socket) -> None:
    """Fork until the other side is gone; returns in each server, and in the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are waited for by nobody
    while True:
        told, handed, *_ = socket.recv_fds(channel, _MESSAGE_BYTES, 2)
        if not told:
            sys.exit()
        if os.fork() == 0:
            channel.close()
            _keep(socket.socket(fileno=handed[0]), handed[1])
            arguments, environment = json.loads(told)
            os.environ.clear()
            os.environ.update(environment)
            time.tzset()
            sys.argv[1:] = arguments
            return
        for one in handed:
            os.close(one)


def _keep(client: socket.socket, log: int) -> None:
    """Fork off what becomes a server, for which this returns, and tell of its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        client.close()
        os.dup2(log, sys.stderr.fileno())
        os.close(log)
        return
    os.close(log)
    client.send(f"{pid}".encode())
    # Until the client knows of the end, no other process gets that number.
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    killed = ended.si_code != os.CLD_EXITED
    client.send(f"{-ended.si_status if killed else ended.si_status}".encode())
    client.recv(1)
    os._exit(0)


def _declare() -> None:
    """Load what a server loads, make an app with a record, and let it answer."""
    for name in ("numpy.ma", "onnxruntime", "takt.server.run", "uvloop"):
        import_module(name)
    from takt.app import create_app
    from takt.recording.record import open_record
    from takt.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(repository=str(_BANK), data_folder=Path(folder))
        record = open_record(settings.data_folder, "sqlite")
        assert record is not None
        app = create_app(settings, record=record)

        async def ask() -> None:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asked:
                (await asked.get("/health/live")).raise_for_status()

        asyncio.run(ask())
        record.close()
    assert threading.active_count() == 1  # a server would lack the others


def _main(channel: socket.socket) -> None:
    from takt.cli import main
    from tests.declared_once import each_declaration_once
    from tests.migrated_once import each_migration_once

    with each_declaration_once(), each_migration_once():
        _declare()
        gc.collect()
        gc.freeze()  # what is there is looked at by no server's collector, nor copied for it
        _fork_servers(channel)
        main()


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
