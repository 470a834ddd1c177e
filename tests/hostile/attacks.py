"""Attacks on a server beside good clients, and what the good clients notice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from takt.commands.bench.lean_http import Address
from tests.hostile.bombs import bomb, idat_length, large_jpeg, many_scans, text_length
from tests.hostile.connections import headers_only, hold, ping_flood, slow_kinds, volleys
from tests.hostile.good_clients import GoodClients, GoodFigures
from tests.hostile.malformed import memory_bound_mib
from tests.hostile.report import Verdict, table
from tests.hostile.rest_requests import post
from tests.hostile.server import MAX_MEMORY_MB, MODEL, Server, tiny_server

DESCRIPTORS = 1024
"""Limit of the attacked server's open descriptors."""

MOST_RATIO = 2.0
MOST_WAIT_MS = 1000.0
QUIET_SHARE = 0.5
LEAST_QUIET_S = 5.0
WARM_UP_S = 3.0

Attack = Callable[[Address, str, float, Counter[Any]], Coroutine[Any, Any, None]]
"""Attacks a model of a server until a time of the loop's clock, and counts what it sees."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one attack did.

    Attributes:
        name: of the attack.
        seen: what the attacker saw.
        quiet: good clients right before.
        attacked: good clients beside it.
        peak_mib: most memory that the server took.
        bound_mib: most memory that it may take.
        ready: whether the server is ready afterwards.
        tracebacks: in its log.
    """

    name: str
    seen: Counter[Any]
    quiet: GoodFigures
    attacked: GoodFigures
    peak_mib: float
    bound_mib: float
    ready: bool
    tracebacks: int

    @property
    def ratio(self) -> float:
        """How much longer 99 % of the good requests take."""
        return self.attacked.p99_ms / self.quiet.p99_ms

    def cells(self) -> tuple[object, ...]:
        """As the table shows it."""
        seen = ", ".join(f"{key}: {count}" for key, count in sorted(self.seen.items(), key=str))
        refused = sum(self.attacked.refused.values())
        return (
            self.name,
            seen,
            self.attacked.requests,
            f"{refused} {self.attacked.refused}" if refused else 0,
            f"{self.quiet.p99_ms:.0f}",
            f"{self.attacked.p99_ms:.0f} ({self.ratio:.2f})",
            f"{self.attacked.max_ms:.0f}",
            f"{self.peak_mib:.0f} / {self.bound_mib:.0f}",
        )

    def judge(self, verdict: Verdict) -> None:
        """Note what it missed."""
        refused = sum(self.attacked.refused.values())
        verdict.demand(not refused, f"{self.name}: {refused} good requests refused")
        verdict.demand(self.ratio <= MOST_RATIO, f"{self.name}: p99 {self.ratio:.1f} of the quiet")
        longest_ms = self.attacked.max_ms
        verdict.demand(longest_ms <= MOST_WAIT_MS, f"{self.name}: a wait of {longest_ms:.0f} ms")
        within = self.peak_mib <= self.bound_mib
        verdict.demand(within, f"{self.name}: {self.peak_mib:.0f} MiB of {self.bound_mib:.0f}")
        verdict.demand(self.ready, f"{self.name}: not ready afterwards")
        verdict.demand(not self.tracebacks, f"{self.name}: {self.tracebacks} tracebacks")


def _pictures(names: Mapping[str, Callable[[], bytes]], count: int, query: str = "") -> Attack:
    """Volleys of pictures, `count` at once, a second or more apart."""

    async def attack(address: Address, model: str, ends_s: float, seen: Counter[Any]) -> None:
        path = f"/v1/models/{model}/inspect{query}"
        made = [make() for make in names.values()]
        requests = [post(path, one) + one for one in made]
        volley = (requests * count)[:count]
        await volleys(address, volley, 1.0, ends_s, seen)

    return attack


async def _headers_only(address: Address, model: str, ends_s: float, seen: Counter[Any]) -> None:
    await hold(address, [headers_only(model)], 256, ends_s, seen)


async def _slow(address: Address, model: str, ends_s: float, seen: Counter[Any]) -> None:
    await hold(address, slow_kinds(model), DESCRIPTORS + 100, ends_s, seen)


async def _pings(address: Address, model: str, ends_s: float, seen: Counter[Any]) -> None:
    await hold(address, [ping_flood(model)], 4, ends_s, seen)


ATTACKS: Mapping[str, Attack] = {
    "chunks": _pictures({"text": text_length, "data": idat_length}, 12),
    "headers": _headers_only,
    "slow": _slow,
    "overlays": _pictures({"large": large_jpeg}, 256, "?heatmap=overlay"),
    "zeros": _pictures({"zeros": lambda: bomb("an all-zero PNG of 50 megapixels")}, 24),
    "scans": _pictures({"scans": many_scans}, 2),
    "pings": _pings,
}
"""By name: 12 PNGs with a false length; 256 requests without their body; connections up to the
descriptor limit that are slow in every place; 256 pictures of 12 megapixels with overlay; 24 PNGs
of 50 megapixels of zeros; 2 progressive JPEGs of 195 scans; 4 streams with 2,000 pings a second."""


def attack(name: str, server: Server, seconds: float, pace_ms: float, model: str = MODEL) -> Row:
    """Measure good clients alone, then beside an attack."""
    GoodClients(server, WARM_UP_S, pace_ms=pace_ms, model=model).figures()
    quiet_s = max(LEAST_QUIET_S, seconds * QUIET_SHARE)
    quiet = GoodClients(server, quiet_s, pace_ms=pace_ms, model=model).figures()
    server.forget_peak()
    seen: Counter[Any] = Counter()

    async def both() -> GoodFigures:
        good = GoodClients(server, seconds, pace_ms=pace_ms, model=model)
        ends_s = asyncio.get_running_loop().time() + seconds
        _, figures = await asyncio.gather(
            ATTACKS[name](server.address, model, ends_s, seen), asyncio.to_thread(good.figures)
        )
        return figures

    attacked = asyncio.run(both())
    return Row(
        name,
        seen,
        quiet,
        attacked,
        peak_mib=server.memory().peak_mib,
        bound_mib=memory_bound_mib(server, MAX_MEMORY_MB),
        ready=server.status("/health/ready") == 200,
        tracebacks=server.tracebacks(),
    )


def run(names: list[str], seconds: float, pace_ms: float) -> None:
    """Run attacks and print the table; ends the process with 1 where bar 2 is missed."""
    verdict = Verdict(2)
    rows = []
    for name in names:
        with tiny_server(descriptors=DESCRIPTORS) as server:
            row = attack(name, server, seconds, pace_ms)
        row.judge(verdict)
        rows.append(row)
        print(f"{name}: done", flush=True)
    head = (
        "attack", "attacker saw", "good requests", "refused", "quiet p99 ms", "p99 ms (ratio)",
        "longest ms", "memory / bound MiB",
    )  # fmt: skip
    print(table(head, [row.cells() for row in rows]))
    worst = max(row.ratio for row in rows)
    longest_ms = max(row.attacked.max_ms for row in rows)
    refused = sum(sum(row.attacked.refused.values()) for row in rows)
    verdict.end(
        f"{len(rows)} attacks of {seconds:.0f} s: {refused} good requests refused, "
        f"worst p99 ratio {worst:.2f}, longest wait {longest_ms:.0f} ms"
    )
