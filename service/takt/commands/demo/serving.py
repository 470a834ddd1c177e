"""A server as a process of its own, for as long as somebody needs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from takt.commands.demo.asking import DIRECT
from takt.core.distribution import COMMAND

_START_TIMEOUT_S: Final = 120
_STOP_TIMEOUT_S: Final = 60
_ANSWER_TIMEOUT_S: Final = 5
_LOOK_EVERY_S: Final = 0.1
_ERROR: Final = re.compile(r"^Error: (.+)", re.MULTILINE | re.DOTALL)
"""What the command prints that could not begin to serve, at the log's end."""


class DemoServer:
    """A server as a process, which may be killed and begin again where it was.

    Args:
        command: that serves, without the port.
        log: gets its log.

    Attributes:
        url: where it answers, once it has started.
        log: file of its log.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.url = ""
        self._command = command
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, port: int) -> None:
        """Start it, and wait until its models have answered their golden inputs.

        Args:
            port: to listen on; 0 takes a free one.

        Raises:
            ClickException: it could not start; the message is the server's own.
        """
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith("TAKT_")
        }
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
            )
        self.url = _url_when_ready(self._process, self.log)

    def begin_again(self) -> None:
        """Start it anew on its port, after it was killed.

        Raises:
            ClickException: it could not start.
        """
        self.start(int(self.url.rpartition(":")[2]))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; what was killed has ended when this returns."""
        if self._process is not None:
            self._process.send_signal(number)
            if number is signal.SIGKILL:
                self._process.wait()

    def wait(self) -> None:
        """Wait until it ends, which it does of its own accord only by a fault.

        Raises:
            ClickException: it ended.
        """
        assert self._process is not None
        self._process.wait()
        raise _ended(self._process, self.log)

    def end(self) -> None:
        """End it, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_STOP_TIMEOUT_S)


@contextlib.contextmanager
def serving(
    repository: Path, folder: Path, port: int = 0, niceness: int = 0
) -> Iterator[DemoServer]:
    """Serve a repository on this machine alone until the block ends.

    The server has the settings that it has by itself, whatever the environment says.

    Args:
        repository: the models.
        folder: gets the server's log and the folder `data` with its record.
        port: to listen on; 0 takes a free one.
        niceness: by how much its processes give way to others that want a core.

    Raises:
        ClickException: it could not start; the message is the server's own.
    """
    command = ["nice", "-n", str(niceness)] if niceness else []
    command += [*COMMAND, "serve", "--repository", str(repository)]
    # The table of verdicts says the same as the request log.
    command += ["--data-folder", str(folder / "data"), "--no-request-log"]
    server = DemoServer(command, folder / "server.log")
    try:
        server.start(port)
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have what would end this process at once end the server, and clean up, before."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda got, _: sys.exit(128 + got)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _url_when_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, once its models have answered their golden inputs."""
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise _ended(process, log)
        found = re.search(r"running on (http://\S+)", _text(log))
        if found and _is_ready(found[1]):
            return found[1]
        time.sleep(_LOOK_EVERY_S)
    raise click.ClickException(
        f"the server was not ready within {_START_TIMEOUT_S} s; its log ends with\n{_text(log)}"
    )


def _is_ready(url: str) -> bool:
    """Whether every model has answered its golden inputs.

    Raises:
        ClickException: one cannot be served.
    """
    try:
        with DIRECT.open(f"{url}/health/ready", timeout=_ANSWER_TIMEOUT_S):
            return True
    except urllib.error.HTTPError as error:
        models = json.load(error)["models"]
    except OSError:
        return False
    for model in models:
        if model["state"] == "failed":
            raise click.ClickException(f"{model['name']} cannot be served: {model['reason']}")
    return False


def _ended(process: subprocess.Popen[bytes], log: Path) -> click.ClickException:
    """What the server itself says of its end: its error, or all that it logged."""
    if found := _ERROR.search(_text(log)):
        return click.ClickException(found[1].strip())
    return click.ClickException(
        f"the server ended with status {process.returncode}; its log:\n{_text(log)}"
    )


def _text(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")
