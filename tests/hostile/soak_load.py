"""An open loop of requests, and streams that come and go; run as a program it prints JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import struct
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from takt.commands.bench.lean_http import Address, HttpPool
from takt_client.errors import UnreachableError
from tests.hostile.report import percentile
from tests.hostile.rest_requests import post
from tests.hostile.stream_sessions import (
    BYE,
    CLOSE,
    TEXT,
    WELCOME_WITHIN_S,
    frame,
    handshake,
    hello,
    picture,
)

STREAMS = 4
STREAM_SHARE = 0.3
"""Of all pictures, those that come as frames."""

SHORTEST_STREAM_S, LONGEST_STREAM_S = 3.0, 20.0
MOST_CONNECTIONS = 64
_OK = 200


@dataclass(slots=True)
class Loaded:
    """What the load saw.

    Attributes:
        waits_ms: times to the answers of requests and frames, in the order of their ends.
        ended_s: when each of these ended, from the beginning.
        outcomes: how many ended in each way.
    """

    waits_ms: array[float] = field(default_factory=lambda: array("f"))
    ended_s: array[float] = field(default_factory=lambda: array("f"))
    outcomes: Counter[str] = field(default_factory=Counter)
    began_s: float = field(default_factory=time.monotonic)

    def note(self, outcome: str, sent_s: float) -> None:
        """Add an answer."""
        now_s = time.monotonic()
        self.outcomes[outcome] += 1
        self.waits_ms.append(1000 * (now_s - sent_s))
        self.ended_s.append(now_s - self.began_s)

    def p99_ms(self, begins_s: float, ends_s: float) -> float:
        """Time to an answer that 99 % of those within a window do not exceed."""
        pairs = zip(self.ended_s, self.waits_ms, strict=True)
        return percentile([wait for at, wait in pairs if begins_s <= at < ends_s], 0.99)


@dataclass(frozen=True, slots=True)
class SoakFigures:
    """Figures of a whole run.

    Attributes:
        outcomes: how many ended in each way.
        p99_ms: by tenths of the window length, that is a thirtieth of the run each.
        early_p99_ms: from a sixth to a third of the run.
        late_p99_ms: in the last sixth.
    """

    outcomes: dict[str, int]
    p99_ms: list[float]
    early_p99_ms: float
    late_p99_ms: float


class _Stream(asyncio.Protocol):
    """One stream: counts the answers to its frames, which come in order."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._data = b""
        self._sent_s: deque[float] = deque()
        self._transport: asyncio.Transport | None = None
        self.opened = asyncio.Event()
        self.welcome = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.startswith(b"HTTP/"):
            _, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            self._data = rest
            self.opened.set()
        while (message := self._next()) is not None:
            kind, body = message
            if kind == CLOSE:
                self.closed.set()
            if kind != TEXT:
                continue
            if b'"type":"welcome"' in body:
                self.welcome.set()
            elif b'"sequence":' in body and self._sent_s:
                good = b'"type":"answer"' in body
                self._loaded.note("frame" if good else "frame failed", self._sent_s.popleft())

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self.opened.set()
        self.welcome.set()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def send(self, sequence: int, jpeg: bytes) -> None:
        self._sent_s.append(time.monotonic())
        self.write(picture(sequence, jpeg))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def unanswered(self) -> int:
        return len(self._sent_s)

    def _next(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        length, at = data[1], 2
        if length == 126:
            if len(data) < 4:
                return None
            length, at = struct.unpack_from(">H", data, 2)[0], 4
        if len(data) < at + length:
            return None
        self._data = data[at + length :]
        return data[0] & 15, data[at : at + length]


async def _stream(
    address: Address, model: str, jpeg: bytes, per_s: float, rng: random.Random, loaded: Loaded
) -> None:
    """One stream from its hello to one of three ends."""
    loop = asyncio.get_running_loop()
    _, one = await loop.create_connection(lambda: _Stream(loaded), address.host, address.port)
    one.write(handshake(model))
    # What comes before the handshake's answer is not read.
    await asyncio.wait_for(one.opened.wait(), WELCOME_WITHIN_S)
    one.write(hello(policy="all", vote={"k": 2, "n": 3}))
    await asyncio.wait_for(one.welcome.wait(), WELCOME_WITHIN_S)
    due_s = time.monotonic()
    ends_s = due_s + rng.uniform(SHORTEST_STREAM_S, LONGEST_STREAM_S)
    sequence = 0
    while due_s < ends_s and not one.closed.is_set():
        one.send(sequence, jpeg)
        sequence += 1
        due_s += 1 / per_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    if one.closed.is_set():
        loaded.outcomes["stream closed by the server"] += 1
    elif (way := rng.random()) < 0.5:
        one.write(BYE)
        await asyncio.wait_for(one.closed.wait(), WELCOME_WITHIN_S)
        loaded.outcomes["stream ended"] += 1
        loaded.outcomes["frame lost"] += one.unanswered
    elif way < 0.75:
        one.write(frame(CLOSE, struct.pack(">H", 1000)))
        loaded.outcomes["stream closed"] += 1
    else:
        loaded.outcomes["stream cut off"] += 1
    one.abort()


async def load(
    address: Address, model: str, jpeg: bytes, *, per_s: float, seconds: float, seed: int = 15
) -> Loaded:
    """Send pictures at a rate, whether earlier ones are answered or not.

    Args:
        address: of the server.
        model: that inspects.
        jpeg: the picture.
        per_s: pictures a second, requests and frames together.
        seconds: length of the run.
        seed: of the arrivals and of the ends of streams.
    """
    loaded, rng = Loaded(), random.Random(seed)
    pool = HttpPool(address, MOST_CONNECTIONS, time.monotonic)
    head = post(f"/v1/models/{model}/inspect", jpeg, Content_Type="image/jpeg")
    ends_s = loaded.began_s + seconds
    under_way: set[asyncio.Task[None]] = set()

    async def ask(due_s: float) -> None:
        try:
            status = str((await pool.ask(head, jpeg)).status)
        except UnreachableError:
            status = "no connection"
        loaded.note("200" if status == str(_OK) else f"request: {status}", due_s)

    async def requests() -> None:
        due_s = time.monotonic()
        while due_s < ends_s:
            due_s += rng.expovariate(per_s * (1 - STREAM_SHARE))
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            task = asyncio.create_task(ask(due_s))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)

    async def streams(number: int) -> None:
        draws = random.Random(f"{seed}:{number}")
        while time.monotonic() < ends_s - SHORTEST_STREAM_S:
            try:
                await _stream(address, model, jpeg, per_s * STREAM_SHARE / STREAMS, draws, loaded)
            except (OSError, TimeoutError):
                loaded.outcomes["stream failed"] += 1
                await asyncio.sleep(1)

    await asyncio.gather(requests(), *(streams(number) for number in range(STREAMS)))
    pool.close()
    return loaded


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser()
    for name, kind in (("host", str), ("port", int), ("model", str), ("picture", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("per_s", type=float)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    seconds = given.seconds
    loaded = uvloop.run(
        load(
            Address(given.host, given.port, tls=False, path=""),
            given.model,
            given.picture.read_bytes(),
            per_s=given.per_s,
            seconds=seconds,
        )
    )
    part_s = seconds / 30
    figures = SoakFigures(
        outcomes=dict(loaded.outcomes),
        p99_ms=[loaded.p99_ms(part * part_s, (part + 1) * part_s) for part in range(30)],
        early_p99_ms=loaded.p99_ms(seconds / 6, seconds / 3),
        late_p99_ms=loaded.p99_ms(5 * seconds / 6, seconds),
    )
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
