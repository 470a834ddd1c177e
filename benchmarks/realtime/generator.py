"""A load generator in C, whose own share of the cores is small; compiled when it is needed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import numpy as np
import orjson

from takt_client.pictures import pack_frame

SOURCE = Path(__file__).with_suffix(".c")
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_OK = 200

Loop = Literal["closed", "poisson", "burst"]


@dataclass(frozen=True)
class Outcomes:
    """What became of the requests of a run; times in seconds since its beginning.

    Attributes:
        seconds: for which it asked.
        due: when each request was to be sent.
        latency_ms: from then until its answer was there.
        status: of the answer; 0 where none came.
    """

    seconds: float
    due: np.ndarray
    latency_ms: np.ndarray
    status: np.ndarray

    def __len__(self) -> int:
        """The number of requests."""
        return len(self.status)

    def count(self, status: int) -> int:
        """How many were answered by this status."""
        return int((self.status == status).sum())

    def percentile_ms(self, percent: float, status: int = _OK) -> float:
        """Of the latencies of answers by this status; not a number where there are none."""
        found = self.latency_ms[self.status == status]
        return float(np.percentile(found, percent)) if len(found) else float("nan")

    @property
    def answered_per_s(self) -> float:
        """Answers a second that were there before the end; for a closed loop."""
        there = self.due + self.latency_ms / 1000 <= self.seconds
        return float((there & (self.status == _OK)).sum() / self.seconds)

    def goodput_per_s(self, deadline_ms: float) -> float:
        """Requests a second that were answered in time; for an open loop."""
        in_time = self.latency_ms <= deadline_ms
        return float((in_time & (self.status == _OK)).sum() / self.seconds)


class Generator:
    """`with Generator(url, pictures) as generator:` compiles it; `run` asks.

    Args:
        url: of the server.
        pictures: sent in turn.
        query: options of each request, such as `timeout_ms=250`; of REST only.
        stream: whether they go over a WebSocket for each client.
        model: that is asked.

    Raises:
        SystemExit: there is no C compiler, or the run failed.
    """

    def __init__(
        self,
        url: str,
        pictures: Sequence[Path],
        query: str = "",
        *,
        stream: bool = False,
        model: str = "bench",
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._program = Path(self._folder.name) / "generator"
        at = urlsplit(url)
        self._port = str(at.port)
        common = f"HTTP/1.1\r\nHost: {at.netloc}\r\nUser-Agent: generator\r\n"
        path = f"/v1/models/{model}/{'stream' if stream else 'inspect'}{query and '?' + query}"
        bodies = [picture.read_bytes() for picture in pictures]
        self._opening = "-"
        if stream:
            upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            opening = f"GET {path} {common}{upgrade}Sec-WebSocket-Key: {_KEY}\r\n\r\n".encode()
            opening += _frame(1, orjson.dumps({"type": "hello"}))
            self._opening = self._write("opening", opening)
            messages = [_frame(2, pack_frame(0, 0, body)) for body in bodies]
        else:
            head = f"POST {path} {common}Content-Length: %d\r\n\r\n".encode()
            messages = [head % len(body) + body for body in bodies]
        self._messages = [self._write(f"message{i}", one) for i, one in enumerate(messages)]

    def __enter__(self) -> Self:
        """The generator, compiled."""
        command = ["cc", "-O2", "-o", str(self._program), str(SOURCE), "-lm"]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"the load generator needs a C compiler as cc: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def run(self, seconds: float, loop: Loop, clients: int = 1, rate: float = 1.0) -> Outcomes:
        """Ask for some seconds.

        Args:
            seconds: after which nothing more is asked.
            loop: `closed`: each client asks again when it has its answer; `poisson`: `rate`
                requests a second; `burst`: `clients` requests at once, `rate` times a second.
            clients: as the loop says.
            rate: as the loop says.
        """
        numbers = [self._port, str(seconds), loop, str(clients), str(rate)]
        command = [str(self._program), *numbers, self._opening, *self._messages]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"the load generator failed: {done.returncode}")
        due, there, status = np.frombuffer(done.stdout).reshape(-1, 3).T
        return Outcomes(seconds, due, 1000 * (there - due), status)

    def _write(self, name: str, content: bytes) -> str:
        path = Path(self._folder.name) / name
        path.write_bytes(content)
        return str(path)


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, whole, with a mask of zeros, which the server has to undo as any other."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8)
    return head + bytes(4) + payload
