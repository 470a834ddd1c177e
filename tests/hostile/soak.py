"""A long run at a part of the capacity: memory, descriptors and latency must not grow."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.hostile.good_clients import GoodClients
from tests.hostile.report import Verdict, table
from tests.hostile.server import MODEL, Server, bench_places, tiny_server
from tests.hostile.soak_load import SoakFigures

CAPACITY_S = 10.0
SAMPLE_S = 1.0
MOST_GROWTH_MIB = 8.0
MOST_P99_GROWTH = 1.15
AFTERWARDS_S = 3.0
BAD = ("frame failed", "frame lost", "stream closed by the server", "stream failed")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server took at a moment."""

    at_s: float
    memory_mib: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """A run's samples and figures; its thirds and sixths are minutes 5, 10, 25 and 30 of thirty.

    Attributes:
        seconds: length of the run.
        samples: of the server.
        figures: of the load.
        descriptors_before: of the idle server before the run.
        descriptors_after: of the idle server after it.
    """

    seconds: float
    samples: list[Sample]
    figures: SoakFigures
    descriptors_before: int
    descriptors_after: int

    def memory_mib(self, part: float) -> float:
        """Median memory in the thirtieth of the run that ends at a part of it."""
        ends_s = part * self.seconds
        within = [
            sample.memory_mib
            for sample in self.samples
            if ends_s - self.seconds / 30 <= sample.at_s <= ends_s
        ]
        return statistics.median(within or [sample.memory_mib for sample in self.samples])

    @property
    def growth_mib(self) -> float:
        """Of the memory, from a third of the run to its end."""
        return self.memory_mib(1.0) - self.memory_mib(1 / 3)


def soak(server: Server, seconds: float, per_s: float) -> Soaked:
    """Load a server at a rate for some seconds."""
    before = server.descriptors()
    options = (
        server.address.host, server.address.port, MODEL, bench_places().picture(256),
        per_s, seconds,
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.soak_load", *map(str, options)],
        stdout=subprocess.PIPE,
    )
    started_s = time.monotonic()
    samples = []
    while process.poll() is None:
        at_s = time.monotonic() - started_s
        samples.append(Sample(at_s, server.memory().now_mib, server.descriptors()))
        time.sleep(SAMPLE_S)
    text, _ = process.communicate()
    time.sleep(AFTERWARDS_S)
    return Soaked(seconds, samples, SoakFigures(**json.loads(text)), before, server.descriptors())


def run(minutes: float, share: float) -> None:
    """Find the capacity, soak, print the table; ends the process with 1 where bar 6 is missed."""
    with tiny_server() as server:
        GoodClients(server, 3).figures()
        capacity = GoodClients(server, CAPACITY_S).figures()
        print(f"capacity: {capacity.per_s:.0f} pictures a second", flush=True)
        soaked = soak(server, 60 * minutes, share * capacity.per_s)
        tracebacks = server.tracebacks()
    rows = []
    for part in range(30):
        ends_s = (part + 1) * soaked.seconds / 30
        at_end = max((one for one in soaked.samples if one.at_s <= ends_s), key=lambda s: s.at_s)
        rows.append(
            (
                f"{ends_s / 60:.1f}",
                f"{soaked.memory_mib((part + 1) / 30):.1f}",
                at_end.descriptors,
                f"{soaked.figures.p99_ms[part]:.1f}",
            )
        )
    print(table(("minute", "memory MiB", "descriptors", "p99 ms"), rows))
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(soaked.figures.outcomes.items())))
    verdict = Verdict(6)
    growth_mib = soaked.growth_mib
    verdict.demand(growth_mib < MOST_GROWTH_MIB, f"memory grew by {growth_mib:.1f} MiB")
    more = soaked.descriptors_after - soaked.descriptors_before
    verdict.demand(more <= 0, f"{more} descriptors more than before")
    early_ms, late_ms = soaked.figures.early_p99_ms, soaked.figures.late_p99_ms
    verdict.demand(
        late_ms <= MOST_P99_GROWTH * early_ms, f"p99 went from {early_ms:.1f} to {late_ms:.1f} ms"
    )
    bad = {
        kind: count
        for kind, count in soaked.figures.outcomes.items()
        if count and (kind in BAD or kind.startswith("request:"))
    }
    verdict.demand(not bad, f"not answered: {bad}")
    verdict.demand(not tracebacks, f"{tracebacks} tracebacks in the log")
    verdict.end(
        f"{minutes:g} minutes at {share * capacity.per_s:.0f} pictures a second: memory "
        f"{growth_mib:+.1f} MiB from a third of the run on, descriptors {more:+d}, "
        f"p99 {early_ms:.1f} -> {late_ms:.1f} ms"
    )
