"""Faults in and around a server, what its clients see, and how it comes back without a person."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.bundle import MODEL, write_bundle
from tests.hostile.connections import headers_only, hold
from tests.hostile.line import LOST, REFUSED, UNANSWERED, WRONG, Line, until
from tests.hostile.report import Verdict, table
from tests.hostile.server import POLL_S, Server, end, launch
from tests.ports import kept_port

LASTS_S = 2.0
WARM_S = 1.0
GOOD_AGAIN = 50
"""So many right answers in a row, to requests from after the fault, end a row."""

RECOVERED_WITHIN_S = 60.0
ENDED_WITHIN_S = 40.0
"""Longest end after SIGTERM; `drain_timeout_s` is 30."""

DESCRIPTORS = 256


@dataclass(slots=True)
class Scene:
    """A server under a supervisor, and a line that asks it.

    Attributes:
        server: the one that runs; another one after a restart.
        line: what its clients saw.
        file: tells faults to the engines.
        exits: exit codes of processes that ended, each of which was started again.
        notes: what else is worth a word.
        lasts_s: length of the fault.
        supervised: whether a process that ends is started again.
    """

    server: Server
    line: Line
    file: Path
    lasts_s: float
    exits: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    supervised: bool = True

    async def tell(self, fault: str, lasts_s: float, number: float = 0.0) -> None:
        """Have a fault for some seconds, and wait for its end."""
        self.file.write_text(f"{fault} {time.monotonic() + lasts_s} {number}")
        await asyncio.sleep(lasts_s)


@contextlib.asynccontextmanager
async def scene(descriptors: int | None = None, lasts_s: float = LASTS_S) -> AsyncIterator[Scene]:
    """A server with a supervisor that starts it again whenever it ends.

    Args:
        lasts_s: length of the fault to come.
        descriptors: limit of the server's open descriptors.
    """
    with contextlib.ExitStack() as entered:
        root = Path(entered.enter_context(tempfile.TemporaryDirectory(prefix="takt-hostile-")))
        write_bundle(root / "models")
        port = entered.enter_context(kept_port())
        program = [
            "-m",
            "tests.hostile.faulty_server",
            root / "models",
            root / "fault",
            root / "arrived",
            port,
        ]
        command = [sys.executable, *map(str, program)]

        def start() -> Server:
            return launch(command, root / "log", descriptors=descriptors)

        server = start()
        one = Scene(server, Line(server.address, root / "arrived"), root / "fault", lasts_s)

        async def supervise() -> None:
            while True:
                if one.supervised and not one.server.alive:
                    one.exits.append(one.server.process.returncode)
                    one.server = await asyncio.to_thread(start)
                await asyncio.sleep(POLL_S)

        supervisor = asyncio.create_task(supervise())
        try:
            await asyncio.to_thread(server.wait_ready)
            yield one
        finally:
            supervisor.cancel()
            await asyncio.wait({supervisor})
            end(one.server.process)


def _signalled(number: signal.Signals) -> Callable[[Scene], Awaitable[None]]:
    async def send(one: Scene) -> None:
        one.server.process.send_signal(number)
        await asyncio.sleep(one.lasts_s)

    return send


def _told(fault: str, share: float = 1.0) -> Callable[[Scene], Awaitable[None]]:
    async def tell(one: Scene) -> None:
        await one.tell(fault, share * one.lasts_s)

    return tell


async def _disk_full(one: Scene) -> None:
    """No file may grow: the writes of the log and of a threshold fail as on a full disk."""
    one.server.limit(resource.RLIMIT_FSIZE, 0)
    full = await asyncio.to_thread(_put_threshold, one.server, 0.6)
    await asyncio.sleep(one.lasts_s)
    one.server.limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    after = await asyncio.to_thread(_put_threshold, one.server, 0.5)
    one.notes.append(f"a threshold: {full}, then {after}")


def _put_threshold(server: Server, threshold: float) -> str:
    """Change a threshold; the answer's status and whether it says that it is kept."""
    request = urllib.request.Request(
        f"{server.url}/v1/models/{MODEL}/threshold",
        json.dumps({"image": threshold}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return f"{response.status} persisted {json.load(response)['persisted']}"
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return str(error)


async def _clock(one: Scene) -> None:
    """A day forward and back, then a day back and forward."""
    for days in (1, -1):
        await one.tell("clock", one.lasts_s / 2, days * 86_400.0)


async def _descriptors(one: Scene) -> None:
    """More connections than there are descriptors."""
    seen: Counter[str] = Counter()
    ends_s = asyncio.get_running_loop().time() + one.lasts_s
    await hold(one.server.address, [headers_only(MODEL)], 2 * DESCRIPTORS, ends_s, seen)
    one.notes.append(f"{seen['most open']} connections taken of {2 * DESCRIPTORS}")


FAULTS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "raises": _told("raise"),
    "hangs": _told("hang", 0.25),
    "dies": _told("die", 0.1),
    "dies for long": _told("die"),
    "NaN": _told("nan"),
    "wrong shape": _told("shape"),
    "out of memory": _told("memory"),
    "SIGTERM": _signalled(signal.SIGTERM),
    "SIGHUP": _signalled(signal.SIGHUP),
    "SIGUSR1": _signalled(signal.SIGUSR1),
    "SIGQUIT": _signalled(signal.SIGQUIT),
    "disk full": _disk_full,
    "clock jumps": _clock,
    "descriptor limit": _descriptors,
}


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did.

    Attributes:
        fault: its name.
        outcomes: what the clients saw from its beginning on.
        longest_s: longest time to an outcome.
        unready_s: from the fault's beginning to the last moment at which the server was not ready
            or a request had no right answer.
        recovered: whether enough right answers came again.
        exits: exit codes of processes that were started again.
        end_s: from SIGTERM at the end to the end of the process.
        tracebacks: in the log.
        notes: what else is worth a word.
    """

    fault: str
    outcomes: Counter[str]
    longest_s: float
    unready_s: float
    recovered: bool
    exits: list[int]
    end_s: float
    tracebacks: int
    notes: list[str]

    @property
    def lost(self) -> int:
        """Requests that were accepted and never answered, or answered wrongly."""
        return sum(self.outcomes[kind] for kind in (LOST, UNANSWERED, WRONG))

    def cells(self) -> tuple[object, ...]:
        """As the table shows it."""
        saw = ", ".join(f"{count} × {kind}" for kind, count in self.outcomes.most_common())
        lost = {kind: self.outcomes[kind] for kind in (LOST, UNANSWERED, WRONG)}
        said = ", ".join(f"{count} {kind}" for kind, count in lost.items() if count) or "nothing"
        exits = [f"exit {code}, started again" for code in self.exits]
        return (
            self.fault,
            saw,
            f"{self.longest_s:.2f}",
            said,
            f"{self.unready_s:.1f}" if self.recovered else f"not in {RECOVERED_WITHIN_S:.0f}",
            self.tracebacks,
            "; ".join([*exits, *self.notes, f"ends in {self.end_s:.1f} s"]),
        )

    def judge(self, verdict: Verdict) -> None:
        """Note what it missed."""
        verdict.demand(not self.lost, f"{self.fault}: {self.lost} lost")
        verdict.demand(self.recovered, f"{self.fault}: not ready again")
        verdict.demand(self.end_s < ENDED_WITHIN_S, f"{self.fault}: ended in {self.end_s:.0f} s")
        internal = sum(n for kind, n in self.outcomes.items() if "internal_error" in kind)
        verdict.demand(not internal, f"{self.fault}: {internal} unforeseen errors")


async def suffer(fault: str, lasts_s: float = LASTS_S) -> Row:
    """Have a fault for some seconds, and see what comes of it."""
    descriptors = DESCRIPTORS if fault == "descriptor limit" else None
    async with scene(descriptors, lasts_s) as one:
        line = asyncio.create_task(one.line.run())
        await until(lambda: one.line.good_since(0.0) > GOOD_AGAIN, 10 * WARM_S)
        began_s = time.monotonic()
        unready_s = began_s

        async def watch() -> None:
            nonlocal unready_s
            while True:
                if await asyncio.to_thread(one.server.status, "/health/ready", 1.0) != 200:
                    unready_s = time.monotonic()
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        await FAULTS[fault](one)
        over_s = time.monotonic()

        def recovered() -> bool:
            since_s = max(over_s, one.line.last_bad_s(), unready_s)
            return one.line.good_since(since_s) >= GOOD_AGAIN

        again = await until(recovered, RECOVERED_WITHIN_S)
        watching.cancel()
        one.line.stopping = True
        await line
        last_bad_s = max(one.line.last_bad_s(), unready_s)
        asked = [seen for seen in one.line.seen if seen.ended_s >= began_s]
        one.supervised = False
        ending_s = time.monotonic()
        await asyncio.to_thread(end, one.server.process, ENDED_WITHIN_S)
        return Row(
            fault=fault,
            outcomes=one.line.outcomes(began_s),
            longest_s=max((seen.ended_s - seen.asked_s for seen in asked), default=0.0),
            unready_s=max(0.0, last_bad_s - began_s),
            recovered=again,
            exits=list(one.exits),
            end_s=time.monotonic() - ending_s,
            tracebacks=one.server.tracebacks(),
            notes=one.notes,
        )


def run(names: list[str]) -> None:
    """Have faults and print the table; ends the process with 1 where bar 3 is missed."""
    verdict = Verdict(3)
    rows = []
    for name in names:
        rows.append(asyncio.run(suffer(name)))
        rows[-1].judge(verdict)
        print(f"{name}: done", flush=True)
    head = (
        "fault", "what clients saw", "longest s", "what was lost", "s to readiness",
        "tracebacks", "and",
    )  # fmt: skip
    print(table(head, [row.cells() for row in rows]))
    refused = sum(row.outcomes[REFUSED] for row in rows)
    verdict.end(
        f"{len(rows)} faults, {sum(row.lost for row in rows)} lost, {refused} found no server, "
        f"slowest to readiness {max(row.unready_s for row in rows):.1f} s"
    )
