"""Many malformed inputs over REST, streams and the Open Inference Protocol, and what they do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.hostile.bombs import BOMBS, bomb
from tests.hostile.lanes import Lane, Outcomes
from tests.hostile.report import Verdict, percentile, table
from tests.hostile.rest_requests import (
    Request,
    no_http,
    odd_options,
    oip_request,
    post,
    tampered_picture,
)
from tests.hostile.server import MODEL, Server, has_setting
from tests.hostile.stream_sessions import broken_session

LANES = 4
REFUSAL_P99_S = 0.020
REFUSAL_MAX_S = 2.0
MEMORY_MARGIN = 1.25
BOMB_ROUNDS = 5
"""How often each bomb comes within a whole run."""

SHARES = {"picture": 0.62, "oip": 0.20, "stream": 0.12, "options": 0.04, "http": 0.02}
"""Kinds of inputs, with their share of all."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its number gives its bytes."""

    number: int
    kind: str

    def rng(self, seed: int) -> random.Random:
        """Draws of its own."""
        return random.Random(f"{seed}:{self.number}")


def inputs(count: int, seed: int, only: Sequence[str] = ()) -> Iterator[Input]:
    """So many inputs, of kinds that are mixed; of all kinds where none is named."""
    rng = random.Random(seed)
    shares = {kind: share for kind, share in SHARES.items() if kind in only or not only}
    kinds, weights = list(shares), list(shares.values())
    for number in range(count):
        yield Input(number, rng.choices(kinds, weights)[0])


_MAKERS: dict[str, tuple[str, Callable[[random.Random, str], Request]]] = {
    "picture": ("REST", tampered_picture),
    "options": ("REST", odd_options),
    "http": ("HTTP", no_http),
    "oip": ("OIP", oip_request),
}


async def send_all(
    server: Server,
    count: int,
    seed: int,
    bombs: Sequence[str] = (),
    model: str = MODEL,
    only: Sequence[str] = (),
    lanes: int = LANES,
) -> Outcomes:
    """Send malformed inputs, and bombs spread among them.

    Args:
        server: that gets them.
        count: number of malformed inputs.
        seed: they are drawn from.
        bombs: names of bombs, one after another at even distances.
        model: that is asked.
        only: kinds of inputs; all kinds if empty.
        lanes: connections that send at the same time.
    """
    outcomes = Outcomes()
    source, bombs_left = inputs(count, seed, only), list(bombs)
    distance = max(1, count // (len(bombs) + 1))

    async def work() -> None:
        lane = Lane(server.address, outcomes)
        try:
            for one in source:
                if not server.alive:
                    return
                if bombs_left and one.number % distance == distance - 1:
                    name = bombs_left.pop()
                    data = await asyncio.to_thread(bomb, name)
                    head = post(f"/v1/models/{model}/inspect", data)
                    await lane.ask("REST", Request(name, head, data))
                if one.kind == "stream":
                    await lane.stream(broken_session(one.rng(seed), model))
                else:
                    protocol, make = _MAKERS[one.kind]
                    await lane.ask(protocol, make(one.rng(seed), model))
        finally:
            lane.close()

    await asyncio.gather(*(work() for _ in range(lanes)))
    return outcomes


def memory_bound_mib(server: Server, max_memory_mib: float) -> float:
    """What the server may take at most: its start, the budget, and a quarter more."""
    return (server.start_mib + max_memory_mib) * MEMORY_MARGIN


def run(
    server: Server,
    count: int,
    *,
    seed: int,
    max_memory_mib: float,
    rounds: int,
    only: Sequence[str] = (),
) -> None:
    """Send them and print the figures; ends the process with 1 where bar 1 is missed."""
    bombs = list(BOMBS) * rounds
    started_s = time.monotonic()
    outcomes = asyncio.run(send_all(server, count, seed, bombs, only=only))
    took_s = time.monotonic() - started_s
    rows = [
        (protocol, status or "closed", number)
        for protocol, counts in sorted(outcomes.statuses.items())
        for status, number in sorted(counts.items())
    ]
    print(table(("protocol", "status", "inputs"), rows))
    for name in outcomes.named():
        print(name)
    verdict = Verdict(1)
    verdict.demand(has_setting("max_memory_mb"), "there is no setting max_memory_mb")
    verdict.demand(server.alive, "the server ended")
    verdict.demand(not outcomes.failed, f"{len(outcomes.failed)} got a 5xx")
    verdict.demand(not outcomes.unanswered, f"{len(outcomes.unanswered)} got no answer")
    traced = server.tracebacks()
    verdict.demand(not traced, f"{traced} tracebacks in the log")
    p99_s, longest_s = percentile(outcomes.refusals_s, 0.99), max(outcomes.refusals_s, default=0)
    verdict.demand(p99_s < REFUSAL_P99_S, f"99 % of refusals within {1000 * p99_s:.1f} ms")
    verdict.demand(longest_s < REFUSAL_MAX_S, f"a refusal took {longest_s:.1f} s")
    bound_mib = memory_bound_mib(server, max_memory_mib)
    peak_mib = server.memory().peak_mib if server.alive else float("inf")
    verdict.demand(peak_mib <= bound_mib, f"memory {peak_mib:.0f} MiB of {bound_mib:.0f}")
    verdict.end(
        f"{outcomes.count} inputs in {took_s:.0f} s, {len(outcomes.refusals_s)} refusals, "
        f"p99 {1000 * p99_s:.1f} ms, max {1000 * longest_s:.0f} ms; "
        f"memory {server.start_mib:.0f} -> at most {peak_mib:.0f} MiB (bound {bound_mib:.0f})"
    )
