"""A server that tells another end of its verdicts, beside clients that have parts inspected."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from takt.commands.bench.lean_http import HttpPool
from takt_client.errors import UnreachableError
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.features.outcome import Outcome
from tests.hostile.rest_requests import post
from tests.hostile.server import Server, serve_command, started

_CLIENTS = 2
_PACE_S = 0.01
_GIVE_UP_S = 20.0
_MOST_LOG_BYTES = 64 * 1024

_QUICK = """
import takt.outlets.forwarding as forwarding, takt.outlets.webhooks.posting as posting
forwarding.FIRST_WAIT_S = forwarding.LONGEST_WAIT_S = forwarding.MOST_ASKED_S = 0.002
posting.ANSWERED_WITHIN_S, posting.BODY_WITHIN_S = 0.2, 0.05
from takt.cli import main
main()
"""
"""`takt` as a program: it tries another end again at once, and waits for no answer long."""


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """A server that tells another end of its verdicts, as its options say."""
    write_bundle(folder / "models")
    own = ("--data-folder", str(folder / "data"), "--no-request-log", *options)
    command = [sys.executable, "-c", _QUICK, *serve_command(folder / "models", *own)[1:]]
    with started(command) as server:
        yield server


@dataclass(slots=True)
class Parts:
    """Parts that are inspected while another end is hostile.

    Attributes:
        server: that inspects them.
        outcome: counts answers.
        answered: the parts that had one.
    """

    server: Server
    outcome: Outcome
    answered: list[str] = field(default_factory=list)
    _ending: bool = False

    @contextlib.asynccontextmanager
    async def inspected(self) -> AsyncIterator[None]:
        """Parts are inspected as long as the block lasts."""
        clients = [asyncio.create_task(self._inspect(number)) for number in range(_CLIENTS)]
        try:
            yield
        finally:
            self._ending = True
            await asyncio.gather(*clients)

    async def _inspect(self, client: int) -> None:
        picture, number = spotted_picture(), 0
        pool = HttpPool(self.server.address, 1, time.monotonic)
        while not self._ending:
            number += 1
            part = f"{client}-{number}"
            head = post(f"/v1/models/{MODEL}/inspect", picture, X_Takt_Part=part)
            status = 0
            with contextlib.suppress(TimeoutError, UnreachableError):
                async with asyncio.timeout(_GIVE_UP_S):
                    status = (await pool.ask(head, picture)).status
            if status == 200:
                self.outcome.good += 1
                self.answered.append(part)
            else:
                self.outcome.unanswered += 1
            await asyncio.sleep(_PACE_S)
        pool.close()


def look_at(server: Server, outcome: Outcome) -> None:
    """Note what must not be of a server that was attacked: its memory, its log, its end."""
    if not server.alive:
        outcome.wrong.append("the server has ended")
        return
    outcome.memory_mib = server.memory().peak_mib - server.start_mib
    log = server.log.read_text("utf-8", errors="replace")
    at = log.find("Traceback")
    if at >= 0:
        outcome.wrong.append(f"a traceback: {log[max(0, at - 300) : at + 2000]}")
    if len(log) > _MOST_LOG_BYTES:
        outcome.wrong.append(f"the log has {len(log)} bytes: {log[-300:]}")


def told_of(parts: Parts, taken: set[str], outcome: Outcome) -> None:
    """Note the parts that were inspected, and whose verdict the other end never had."""
    if lost := [one for one in parts.answered if one not in taken]:
        outcome.wrong.append(f"{len(lost)} of {len(parts.answered)} verdicts are lost: {lost[:5]}")
