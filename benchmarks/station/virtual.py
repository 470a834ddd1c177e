"""A station in time that is passed: millions of parts, every fault and every pair, whole days.

    python -m benchmarks.station.virtual parts [--parts 1000000]
    python -m benchmarks.station.virtual faults [--seeds 200]
    python -m benchmarks.station.virtual day [--hours 24] [--seed 0]

The station is the real one; PLC, camera and server are made up. A seed that fails is named, and is
played again by `--first-seed`. What the station logs of parts is counted; an error there is broken.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import click
import numpy as np

from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.signals import ResultCode
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import Fault, FaultKind, random_faults
from takt_station.plant.virtual import VirtualPlant, play

TIMING = CycleTiming(result_ms=90, picture_ms=50)
FAULTY_PARTS, LAST_PARTS = 170, 20
"""The last ones come four seconds after every fault: a PLC lets an error stand for two of them."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one play.

    Attributes:
        name: of what was played.
        broken: promises that did not hold.
        recovered: whether the good ones of the last parts passed.
        worst_ms: longest time from a trigger to its result.
        logged: how often the station said what.
    """

    name: str
    broken: int
    recovered: bool
    worst_ms: float
    logged: Mapping[str, int]


class LogCount(logging.Handler):
    """Counts what is logged, numbers left out: a line for each lost part would hide the figures.

    Attributes:
        lines: how often what was said.
        errors: how many of them were errors.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines = Counter[str]()
        self.errors = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        self.lines[re.sub(r"\d+", "…", record.getMessage())] += 1
        self.errors += record.levelno >= logging.ERROR


@click.group()
def main() -> None:
    """Print what is broken: nothing, where all promises hold."""


@main.command()
@click.option("--parts", default=1_000_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def parts(parts: int, seed: int) -> None:
    """Many parts without a fault; each has one result within its cycle, in order, of the right id.

    They are played in pieces of 50,000, each with a station that begins anew.
    """
    started_s, piece = time.monotonic(), 50_000
    counts = np.zeros(4, int)
    times: list[np.ndarray] = []
    broken = 0
    sizes = [min(piece, parts - first) for first in range(0, parts, piece)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found, took, wrong in pool.map(_piece, sizes, itertools.count(seed)):
            counts += found
            times.append(took)
            broken += wrong
    p50, p99, worst = np.percentile(np.concatenate(times), (50, 99, 100))
    print(
        f"{counts.sum()} results for {parts} parts: {counts[1]} OK, {counts[2]} NG, {counts[3]} "
        f"without a decision; trigger to result p50 {p50:.1f} ms, p99 {p99:.1f}, worst {worst:.1f}"
        f" (bound {TIMING.result_ms:g}); broken {broken}; {time.monotonic() - started_s:.0f} s"
    )


@main.command()
@click.option("--seeds", default=200, show_default=True)
@click.option("--first-seed", default=0, show_default=True)
def faults(seeds: int, first_seed: int) -> None:
    """Every fault alone and every pair, at moments from seeds."""
    kinds = [*((kind,) for kind in FaultKind), *itertools.combinations(FaultKind, 2)]
    jobs = [(some, seed) for some in kinds for seed in range(first_seed, first_seed + seeds)]
    started_s = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        played = [*pool.map(_with_faults, jobs, chunksize=20)]
    for one in played:
        if one.broken or not one.recovered:
            print(f"  {one.name}: broken {one.broken}, recovered {one.recovered}")
    _print_log(sum((Counter(one.logged) for one in played), Counter()))
    print(
        f"{len(played)} plays of {FAULTY_PARTS} parts: broken in "
        f"{sum(one.broken > 0 for one in played)}, not recovered in "
        f"{sum(not one.recovered for one in played)}; trigger to result at worst "
        f"{max(one.worst_ms for one in played):.1f} ms (bound {TIMING.result_ms:g}); "
        f"{time.monotonic() - started_s:.0f} s"
    )


@main.command()
@click.option("--hours", default=24.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--every-s", default=60.0, show_default=True, help="Between faults, on average.")
def day(hours: float, seed: int, every_s: float) -> None:
    """A day with random faults."""
    count = int(hours * 3600 * 2)
    plant = VirtualPlant(TIMING, every_s=0.5, gate_s=0.4, parts=count, seed=seed)
    happened = random_faults(seed, hours * 3600, every_s)
    started_s = time.monotonic()
    with _counted() as log:
        outcome = play(plant, happened)
    _print_log(log.lines)
    p50, p99, worst = np.percentile(outcome.times_ms(), (50, 99, 100))
    print(
        f"{hours:g} hours, {len(happened)} faults, {count} parts: {len(outcome.given)} results, "
        f"{outcome.count(ResultCode.NO_DECISION)} without a decision, {len(outcome.passed)} passed;"
        f" trigger to result p50 {p50:.1f} ms, p99 {p99:.1f}, worst {worst:.1f} (bound "
        f"{TIMING.result_ms:g}); broken {len(outcome.broken) + log.errors} {outcome.broken[:3]}; "
        f"{time.monotonic() - started_s:.0f} s"
    )


@contextmanager
def _counted() -> Iterator[LogCount]:
    log, root = LogCount(), logging.getLogger()
    root.addHandler(log)
    try:
        yield log
    finally:
        root.removeHandler(log)


def _print_log(lines: Counter[str]) -> None:
    for line, count in lines.most_common():
        print(f"  logged {count} times: {line}")


def _piece(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    outcome = play(VirtualPlant(TIMING, parts=count, seed=seed, scan_s=0.02))
    found = np.array([outcome.count(code) for code in ResultCode])
    wrong = len(outcome.broken) + (
        [one.part.part for one in outcome.given] != [*range(1, count + 1)]
    )
    return found, outcome.times_ms(), wrong


def _with_faults(job: tuple[tuple[FaultKind, ...], int]) -> Played:
    kinds, seed = job
    rng = np.random.default_rng([seed, len(kinds)])
    plant = VirtualPlant(TIMING, parts=FAULTY_PARTS, seed=seed)
    some = [Fault(kind, float(rng.uniform(6, 12)), float(rng.uniform(0.1, 4))) for kind in kinds]
    with _counted() as log:
        outcome = play(plant, some)
    conveyor = Conveyor(0.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
    last = {
        part
        for part in range(FAULTY_PARTS - LAST_PARTS, FAULTY_PARTS + 1)
        if not conveyor.has_defect(part)
    }
    return Played(
        name=f"{'+'.join(kinds)} seed {seed}",
        broken=len(outcome.broken) + log.errors,
        recovered=last <= outcome.passed,
        worst_ms=float(outcome.times_ms().max()),
        logged=log.lines,
    )


if __name__ == "__main__":
    main()
