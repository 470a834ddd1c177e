"""One process against two workers on the same cores, in turns; and what binds them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.peers.processes import Tree, machine_busy_s
from benchmarks.realtime.server import TaktServer
from benchmarks.scale.load import CLIENTS, Timed, timed, wrk
from benchmarks.scale.places import Given, target

RUN_S = 4
PAIRS = 7
ONE_PROCESS = ("--engine-instances", "2", "--engine-threads", "1")
"""The same two engines as the workers have together, one each."""
ONE_ENGINE = ("--engine-instances", "1", "--engine-threads", "1")
BARS = {"null": 1.5}
"""Asked of the workers' rate over that of one process, by model."""


@dataclass(frozen=True)
class Used:
    """Processor time of one run, in cores.

    Attributes:
        server: of all processes of the server that is asked.
        generator: of wrk.
        others: of whatever else the machine did.
        idle: what was left.
    """

    server: float
    generator: float
    others: float
    idle: float


@dataclass(frozen=True)
class Run:
    """What was answered, and at what cost."""

    figures: Timed
    used: Used


def throughput(given: Given) -> bool:
    """Print both rates by model, and what each run used; whether the bars are met."""
    met = True
    for model in ("null", "tiny"):
        pairs = list(_pairs(given, model))
        ratio = [two.figures.per_s / one.figures.per_s for one, two in pairs]
        found, bar = median(ratio), BARS.get(model)
        print(f"\n{model}, 256 x 256, {CLIENTS} clients, {len(pairs)} pairs of {RUN_S} s")
        print(f"  1 process  {_line([one for one, _ in pairs])}")
        print(f"  {given.workers} workers  {_line([two for _, two in pairs])}")
        beside = "" if bar is None else f", bar >= {bar}: {'met' if found >= bar else 'MISSED'}"
        print(f"  ratio      {found:.2f} ({min(ratio):.2f} to {max(ratio):.2f}){beside}")
        met = met and (bar is None or found >= bar)
        failed = sum(_failed(run) for pair in pairs for run in pair)
        print(f"  failed     {failed}, bar 0: {'MISSED' if failed else 'met'}", flush=True)
        met = met and not failed
    return met


def _pairs(given: Given, model: str) -> Iterator[tuple[Run, Run]]:
    with ExitStack() as stack:
        several = (*ONE_ENGINE, "--workers", str(given.workers))
        one, two = (
            stack.enter_context(TaktServer(given.repository(model), *options, takt=given.takt))
            for options in (ONE_PROCESS, several)
        )
        for server in (one, two):
            _run(given, server)
        for turn in range(PAIRS):
            order = (one, two) if turn % 2 else (two, one)
            runs = {server.pid: _run(given, server) for server in order}
            yield runs[one.pid], runs[two.pid]


def _run(given: Given, server: TaktServer) -> Run:
    tree = Tree(server.pid)
    wall_s, machine_s = time.monotonic(), machine_busy_s()
    server_s, generator_s = tree.cpu_s(), _children_s()
    with wrk(target(given, server), RUN_S) as process:
        output, _ = process.communicate()
    server_s, generator_s = tree.cpu_s() - server_s, _children_s() - generator_s
    wall_s, machine_s = time.monotonic() - wall_s, machine_busy_s() - machine_s
    cores = os.cpu_count() or 1
    return Run(
        timed(output),
        Used(
            server_s / wall_s,
            generator_s / wall_s,
            max(0.0, machine_s - server_s - generator_s) / wall_s,
            max(0.0, cores - machine_s / wall_s),
        ),
    )


def _line(runs: Sequence[Run]) -> str:
    rate = median(run.figures.per_s for run in runs)
    server = median(run.used.server for run in runs)
    return (
        f"{rate:7.1f}/s  p99 {median(run.figures.p99_ms for run in runs):6.1f} ms  "
        f"{1000 * server / rate:.2f} ms of processor a picture  cores: server {server:.2f}, "
        f"generator {median(run.used.generator for run in runs):.2f}, "
        f"others {median(run.used.others for run in runs):.2f}, "
        f"idle {median(run.used.idle for run in runs):.2f}"
    )


def _failed(run: Run) -> int:
    return run.figures.broken + run.figures.refused + run.figures.other


def _children_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
