"""A line that asks a server all the time, and notes each answer with its time."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from takt.commands.bench.lean_http import Address, HttpPool
from takt_client.errors import UnreachableError
from tests.hostile.bundle import MODEL, REGION, SCORE, spotted_picture
from tests.hostile.rest_requests import post

CLIENTS = 4
PACE_S = 0.02
GIVE_UP_S = 30.0

LOST, REFUSED, UNANSWERED, WRONG = "lost", "no connection", "no answer", "wrong 200"


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer.

    Attributes:
        outcome: its status and code, or what came instead.
        asked_s: when it was asked for, by the monotonic clock.
        ended_s: when it ended.
    """

    outcome: str
    asked_s: float
    ended_s: float

    @property
    def good(self) -> bool:
        """Whether it is the right answer."""
        return self.outcome == "200"


@dataclass(slots=True)
class Line:
    """Clients that ask until told to stop.

    Attributes:
        address: of the server.
        arrived: file to which the server writes the id of each request that its app gets.
        seen: every answer.
    """

    address: Address
    arrived: Path
    seen: list[Seen] = field(default_factory=list)
    stopping: bool = False

    async def run(self) -> None:
        """Ask until `stopping`."""
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    def outcomes(self, since_s: float = 0.0) -> Counter[str]:
        """How often each outcome came, of requests that ended since."""
        return Counter(one.outcome for one in self.seen if one.ended_s >= since_s)

    def last_bad_s(self) -> float:
        """When the last request ended that had no right answer; 0 if none."""
        return max((one.ended_s for one in self.seen if not one.good), default=0.0)

    def good_since(self, moment_s: float) -> int:
        """Right answers to requests that were asked after a moment."""
        return sum(one.good for one in self.seen if one.asked_s > moment_s)

    async def _client(self, number: int) -> None:
        picture = spotted_picture()
        pool = HttpPool(self.address, 1, time.monotonic)
        for count in itertools.count():
            if self.stopping:
                break
            request_id = f"line-{number}-{count}"
            head = post(f"/v1/models/{MODEL}/inspect", picture, X_Request_ID=request_id)
            asked_s = time.monotonic()
            outcome = await _ask(pool, head, picture)
            if outcome == LOST:
                # A kept connection that ends between two requests: every client asks once more.
                again = await _ask(pool, head, picture)
                # Where no server is left to ask, it is lost if the app had it.
                outcome = again if again != REFUSED else self._lost_or_refused(request_id)
            self.seen.append(Seen(outcome, asked_s, time.monotonic()))
            if number == 0:
                pool.close()
            await asyncio.sleep(PACE_S)
        pool.close()

    def _lost_or_refused(self, request_id: str) -> str:
        return LOST if request_id in self.arrived.read_text("utf-8").split() else REFUSED


async def _ask(pool: HttpPool, head: bytes, picture: bytes) -> str:
    try:
        async with asyncio.timeout(GIVE_UP_S):
            response = await pool.ask(head, picture)
    except TimeoutError:
        return UNANSWERED
    except UnreachableError as error:
        return LOST if "was lost" in str(error) else REFUSED
    try:
        answer = json.loads(response.body)
    except ValueError:
        return WRONG
    if response.status != 200:
        return f"{response.status} {answer.get('code')}"
    score, regions = answer["score"], answer["regions"]
    right = (
        score is not None
        and math.isclose(score, SCORE, abs_tol=0.01)
        and [one["box"] for one in regions] == [REGION]
    )
    return "200" if right else WRONG


async def until(holds: Callable[[], bool], within_s: float) -> bool:
    """Wait until something holds; whether it does."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        if holds():
            return True
        await asyncio.sleep(0.02)
    return False
