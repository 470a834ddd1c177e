"""Mosquitto, a broker of others, with its own clients: Debian's packages."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from tests.ports import kept_port

_REQUIRED = "TAKT_REQUIRE_MOSQUITTO"
_READY = "tests/ready"
WITHIN_S = 60.0


def tool(name: str) -> str:
    """Path of a program; the test is skipped, or fails, where it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
        tell(
            f"{name} is not installed: apt-get install --no-install-recommends mosquitto "
            f"mosquitto-clients (with {_REQUIRED}=1 this fails instead)"
        )
    return found


class Mosquitto:
    """A broker on a free port of loopback, which can be killed and started again there.

    Args:
        folder: an empty one.
        lines: of its configuration, beside those of its listener.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        self._kept = contextlib.ExitStack()
        self.port = self._kept.enter_context(kept_port())
        self._config = folder / "mosquitto.conf"
        # As root it would become another user, who may not read a test's files.
        stated = [f"listener {self.port} 127.0.0.1", "user root", *lines]
        if not any(one.startswith("allow_anonymous") for one in lines):
            stated.append("allow_anonymous true")
        self._config.write_text("\n".join(stated) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [tool("mosquitto"), "-c", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

        def listens() -> bool:
            assert self._process is not None and self._process.poll() is None, "it has ended"
            with socket.socket() as asked:
                return asked.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(listens)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as to stand still and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._kept.close()


@dataclass(frozen=True)
class Heard:
    """A message as a subscriber has it."""

    topic: str
    payload: dict[str, Any]
    retained: bool


class Subscriber:
    """`mosquitto_sub` for everything below `takt/`, at least once.

    Args:
        broker: where to.
        options: of its own, such as those of TLS.
    """

    def __init__(self, broker: Mosquitto, *options: str) -> None:
        at = ["-h", "localhost", "-p", str(broker.port), "-V", "5", *options]
        ready = [tool("mosquitto_pub"), *at, "-t", _READY, "-r", "-m", "{}"]
        subprocess.run(ready, check=True, timeout=WITHIN_S)
        command = [tool("mosquitto_sub"), *at, "-q", "1", "-t", "takt/#", "-t", _READY]
        self._process = subprocess.Popen(
            [*command, "-F", "%r %t %p"], stdout=subprocess.PIPE, text=True
        )
        self.heard: list[Heard] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(WITHIN_S), "it could not subscribe"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            retained, rest = line.rstrip("\n").split(" ", 1)
            topic, _, payload = rest.partition(" {")
            if topic == _READY:
                self._ready.set()
                continue
            with self._news:
                self.heard.append(Heard(topic, json.loads("{" + payload), retained == "1"))
                self._news.notify_all()

    @property
    def verdicts(self) -> list[Heard]:
        """The verdicts so far."""
        return [one for one in self.heard if one.topic.endswith("/verdict")]

    @property
    def parts(self) -> list[str]:
        """The parts of the verdicts so far."""
        return [one.payload["part"] for one in self.verdicts]

    @property
    def online(self) -> list[bool]:
        """What the server said so far of whether it is there."""
        return [one.payload["online"] for one in self.heard if "/status/" in one.topic]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was heard meets a condition."""
        with self._news:
            assert self._news.wait_for(condition, WITHIN_S), self.heard[-5:]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join(WITHIN_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def subscribed(broker: Mosquitto, *options: str) -> Iterator[Subscriber]:
    """A subscriber, as long as the block lasts."""
    one = Subscriber(broker, *options)
    try:
        yield one
    finally:
        one.close()


def eventually(find: Callable[[], bool]) -> None:
    """Return as soon as it holds; the test fails if it takes too long."""
    pause = threading.Event()
    deadline_s = time.monotonic() + WITHIN_S
    while not find():
        assert time.monotonic() < deadline_s, "nothing came in time"
        pause.wait(0.02)
