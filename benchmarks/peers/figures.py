"""Runs of the load generator -> figures of a cell, and whether they meet the bars. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_RATIO = {
    ("tiny", 1): 1.0,
    ("tiny", 8): 1.2,
    ("tiny", 32): 1.2,
    ("null", 1): 1.45,
    ("null", 8): 1.45,
    ("null", 32): 1.6,
}
"""Requests per second that Takt must reach, as a ratio to the control's, by model and clients."""

QUIET = 0.15
"""Share of the machine that other work may take in a pair of runs that counts as quiet."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the load generator against one server gave.

    Attributes:
        requests: answered in time, whatever the answer.
        run_s: its length.
        p50_ms: median latency; `p95_ms`, `p99_ms` and `max_ms` likewise.
        socket_errors: connections that failed.
        refused: answers that were no success.
        timeouts: requests without an answer.
        cpu_s: processor time of the server's processes.
        foreign: share of the machine that neither the server nor the load generator used.
    """

    requests: int
    run_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    socket_errors: int
    refused: int
    timeouts: int
    cpu_s: float
    foreign: float

    @property
    def rate_per_s(self) -> float:
        """Requests per second."""
        return self.requests / self.run_s

    @property
    def errors(self) -> int:
        """Requests that got no good answer."""
        return self.socket_errors + self.refused + self.timeouts


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs, one right after the other."""

    control: Run
    peer: Run

    @property
    def ratio(self) -> float:
        """The peer's requests per second to the control's."""
        return self.peer.rate_per_s / self.control.rate_per_s

    @property
    def noise(self) -> float:
        """Share of the machine that other work took, in the worse of both runs."""
        return max(self.control.foreign, self.peer.foreign)


@dataclass(frozen=True, slots=True)
class Side:
    """One server's runs of a cell, as one: percentiles are means over the runs."""

    requests: int
    errors: int
    rate_per_s: float
    rates_per_s: tuple[float, ...]
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which cell: a model, the picture's width in pixels, and how many clients ask at once."""

    model: str
    width: int
    clients: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A system against the control.

    Attributes:
        key: which.
        control: the control's figures.
        peer: the system's figures.
        ratio: of requests per second, the median over the pairs.
        ratio_low: the lowest of a pair.
        ratio_high: the highest of a pair.
        noise: share of the machine that other work took, in the worst pair that counts.
    """

    key: Key
    control: Side
    peer: Side
    ratio: float
    ratio_low: float
    ratio_high: float
    noise: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What the control and a system answered to the same picture, of a width in pixels."""

    width: int
    control: float
    peer: float

    @property
    def difference(self) -> float:
        """Relative to the control's score, or to one if that is smaller."""
        return abs(self.peer - self.control) / max(1.0, abs(self.control))


def merge(runs: Sequence[Run]) -> Side:
    """One server's runs as one."""
    requests = sum(run.requests for run in runs)
    return Side(
        requests=requests,
        errors=sum(run.errors for run in runs),
        rate_per_s=requests / sum(run.run_s for run in runs),
        rates_per_s=tuple(run.rate_per_s for run in runs),
        cpu_ms=1000 * sum(run.cpu_s for run in runs) / max(requests, 1),
        p50_ms=statistics.fmean(run.p50_ms for run in runs),
        p95_ms=statistics.fmean(run.p95_ms for run in runs),
        p99_ms=statistics.fmean(run.p99_ms for run in runs),
        max_ms=max(run.max_ms for run in runs),
    )


def to_cell(key: Key, pairs: Sequence[Pair], keep: int) -> Cell:
    """The figures of a cell, from the `keep` quietest of its pairs."""
    quiet = sorted(pairs, key=lambda pair: pair.noise)[:keep]
    ratios = [pair.ratio for pair in quiet]
    return Cell(
        key=key,
        control=merge([pair.control for pair in quiet]),
        peer=merge([pair.peer for pair in quiet]),
        ratio=statistics.median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        noise=quiet[-1].noise,
    )


def misses(cell: Cell, rivals: Sequence[tuple[str, Cell]]) -> list[str]:
    """What a cell of Takt falls short of, in words; nothing where it meets every bar.

    Args:
        cell: of Takt.
        rivals: the same cell of the other systems, with their names.
    """
    found = []
    least = LEAST_RATIO.get((cell.key.model, cell.key.clients), 0.0)
    if cell.ratio < least:
        found.append(f"ratio {cell.ratio:.2f} is below {least:.2f}")
    if cell.peer.p99_ms > cell.control.p99_ms:
        found.append(
            f"p99 {cell.peer.p99_ms:.1f} ms is above the control's {cell.control.p99_ms:.1f}"
        )
    if cell.peer.errors:
        found.append(f"{cell.peer.errors} of {cell.peer.requests} requests failed")
    found += [
        f"ratio {cell.ratio:.2f} is not above {name}'s {rival.ratio:.2f}"
        for name, rival in rivals
        if rival.ratio >= cell.ratio
    ]
    return found
