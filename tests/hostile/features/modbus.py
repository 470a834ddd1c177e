"""Malformed frames of Modbus, to a station in a process, beside a master that writes and reads."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from takt.commands.bench.lean_http import Address
from tests.hostile.bundle import spotted_picture
from tests.hostile.features.modbus_frames import KINDS, Attack, frame, wrong
from tests.hostile.features.outcome import Outcome
from tests.hostile.server import POLL_S, READY_WITHIN_S, TAKT, Server, end

LANES = 4
_GOOD_HOST = "127.0.0.2"
_HOSTS = ("127.0.0.3", "127.0.0.4")
"""Of the attackers, two lanes each: a station has four places for a host."""

_WITHIN_S = 10.0
_MOST_LOG_BYTES = 4096
"""Of the station's log: its start, and that there is no server."""

_STATUS = struct.pack(">BHH", 4, 3000, 16)
_SILENT = "no answer"

_FILE = """
[station]
name = "hostile"
server = "http://127.0.0.1:9"

[cycle]
result_ms = 100
picture_ms = 50

[plc]
port = 0

[cameras.top]
source = "{pictures}"
"""


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Send so many malformed inputs to a station."""
    outcome = Outcome()
    with _station(folder) as station:
        asyncio.run(_attack(station, count, seed, outcome))
        if not station.alive:
            outcome.wrong.append("the station has ended")
            return outcome
        outcome.memory_mib = station.memory().peak_mib - station.start_mib
    log = station.log.read_text("utf-8", errors="replace")
    if "Traceback" in log:
        outcome.wrong.append(f"a traceback: {log[-500:]}")
    if len(log) > _MOST_LOG_BYTES:
        outcome.wrong.append(f"the log has {len(log)} bytes: {log[-500:]}")
    return outcome


@contextlib.contextmanager
def _station(folder: Path) -> Iterator[Server]:
    """A station without a server, which listens on a free port."""
    (folder / "pictures").mkdir()
    (folder / "pictures" / "one.png").write_bytes(spotted_picture())
    file, log = folder / "station.toml", folder / "log"
    file.write_text(_FILE.format(pictures=folder / "pictures"))
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [TAKT, "station", file, "--quiet"], stdout=subprocess.DEVNULL, stderr=stderr
        )
    try:
        port = _port_of(process, log)
        station = Server(process, Address("127.0.0.1", port, tls=False, path=""), log)
        station.start_mib = station.memory().now_mib
        station.forget_peak()
        yield station
    finally:
        end(process)


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    until_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until_s and process.poll() is None:
        if found := re.search(r"listens to a PLC on port (\d+)", log.read_text()):
            return int(found[1])
        time.sleep(POLL_S)
    raise SystemExit(f"the station does not listen:\n{log.read_text()}")


async def _attack(station: Server, count: int, seed: int, outcome: Outcome) -> None:
    draw = random.Random(seed)
    attacks = iter([draw.choice(KINDS)(draw) for _ in range(count)])
    stopping = asyncio.Event()
    good = asyncio.create_task(_good_master(station, seed, outcome, stopping))

    async def lane(number: int) -> None:
        for one in attacks:
            try:
                async with asyncio.timeout(_WITHIN_S):
                    await _one(station, _HOSTS[number % len(_HOSTS)], one, outcome)
            except TimeoutError:
                outcome.note(_SILENT)
                outcome.wrong.append(f"{one.name} got no answer: {one.pieces!r:.200}")

    try:
        await asyncio.gather(*(lane(number) for number in range(LANES)))
    finally:
        stopping.set()
        await good


@asynccontextmanager
async def _connected(station: Server, host: str) -> AsyncIterator[_Pipe]:
    """A connection that is let in: the places of those before it may not be free yet."""
    while True:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", station.address.port, local_addr=(host, 0)
        )
        pipe = _Pipe(reader, writer)
        try:
            await pipe.ask(_STATUS)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
            await asyncio.sleep(0.002)
            continue
        try:
            yield pipe
        finally:
            writer.transport.abort()
        return


@dataclass(slots=True)
class _Pipe:
    """A connection of a master."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transaction: int = 0

    async def ask(self, request: bytes) -> bytes:
        """The answer to a request."""
        self.transaction = self.transaction % 0xFFFF + 1
        self.writer.write(frame(request, self.transaction))
        return await self.answer(self.transaction)

    async def answer(self, transaction: int) -> bytes:
        """The next answer, whose head has to be right."""
        head = await self.reader.readexactly(7)
        found, protocol, length, unit = struct.unpack(">HHHB", head)
        if (found, protocol, unit) != (transaction, 0, 1) or not 2 <= length <= 254:
            raise ValueError(f"the head of an answer is {head.hex()}")
        return await self.reader.readexactly(length - 1)


async def _one(station: Server, host: str, attack: Attack, outcome: Outcome) -> None:
    """Send one, and hold what comes back against what the protocol says."""
    async with _connected(station, host) as pipe:
        said = "closed"
        try:
            for piece in attack.pieces:
                pipe.writer.write(piece)
                if len(attack.pieces) > 1:
                    await asyncio.sleep(0)
            for number, request in enumerate(attack.requests, 1):
                answer = await pipe.answer(number)
                said = f"exception {answer[1]}" if answer[0] & 0x80 else "answered"
                if why := wrong(request, answer):
                    outcome.wrong.append(f"{attack.name}: {why}: {request.hex()}")
            if attack.ends:
                if pipe.writer.can_write_eof():
                    pipe.writer.write_eof()
                if rest := await pipe.reader.read():
                    outcome.wrong.append(f"{attack.name} got {rest[:20].hex()}")
                said = "closed"
            else:
                await pipe.ask(_STATUS)
        except ConnectionError:
            said = "closed"
            if not attack.ends:
                outcome.wrong.append(f"{attack.name} was closed: {attack.pieces!r:.200}")
        except (asyncio.IncompleteReadError, ValueError) as error:
            outcome.wrong.append(f"{attack.name}: {error}: {attack.pieces!r:.200}")
        outcome.note(said)


async def _good_master(
    station: Server, seed: int, outcome: Outcome, stopping: asyncio.Event
) -> None:
    """Writes registers and reads them back, until it is told to stop."""
    draw = random.Random(seed + 1)
    async with _connected(station, _GOOD_HOST) as pipe:
        while not stopping.is_set():
            # Bits that have something done stay 0: what comes of them is another matter.
            words = [0, 0, *(draw.randrange(0x10000) for _ in range(51))]
            asks = [struct.pack(">BHHB53H", 16, 0, 53, 106, *words), struct.pack(">BHH", 3, 0, 53)]
            try:
                async with asyncio.timeout(_WITHIN_S):
                    written, read = [await pipe.ask(one) for one in asks]
                    status = await pipe.ask(_STATUS)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, ValueError):
                outcome.unanswered += 1
                return
            outcome.good += 3
            is_right = written == asks[0][:5] and read[2:] == struct.pack(">53H", *words)
            if not is_right or len(status) != 2 + 32:
                outcome.wrong.append(f"the good master got {read.hex()} for {words}")
            await asyncio.sleep(0.001)
