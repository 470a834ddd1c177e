"""A station in real time: every part has one result, of its own, in time and in order.

    python -m benchmarks.station.line [--parts 10000] [--rate 10]

A plant in a box by real protocols on this machine: PLC and Modbus, camera and HTTP, server with the
shipped PatchCore on real pictures. Then the same with a model that takes twice the time that there
is: parts have no decision in time, and none passes by mistake.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from takt.commands.demo.serving import serving
from takt_station.plant.box import BoxOutcome, BoxServer, PlantBox
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.layout import PlantLayout

ROOT = Path(__file__).parents[2]
GOOD, BAD = ROOT / "examples/learn/good", ROOT / "examples/pictures/pitting"
LIGHT, HEAVY = ROOT / "examples/bank", ROOT / "examples/models"
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class LineRun:
    """What became of the parts of a run.

    Attributes:
        outcome: as the PLC has it.
        lines: as the station has it: a line of its log for each result.
    """

    outcome: BoxOutcome
    lines: Sequence[dict[str, Any]]


@click.command()
@click.option("--parts", default=10_000, show_default=True)
@click.option("--rate", default=10.0, show_default=True, help="Parts a second.")
@click.option("--gate-ms", default=150.0, show_default=True, help="From the trigger to the gate.")
@click.option("--overload-parts", default=300, show_default=True)
@click.option("--overload-gate-ms", default=2500.0, show_default=True)
def main(
    parts: int, rate: float, gate_ms: float, overload_parts: int, overload_gate_ms: float
) -> None:
    """Print whether each part had its result in time, and how long it took."""
    load = os.getloadavg()[0]
    print(f"load of the machine before: {load:.1f} on {os.cpu_count()} cores")
    print(f"\n{parts} parts at {rate:g} a second, {gate_ms:g} ms from the trigger to the gate")
    whole = _tell(play(LIGHT, parts, rate, gate_ms), parts, 0.8 * gate_ms)
    print(f"\nmore than the server can: {overload_parts} parts at {rate:g} a second")
    run = play(HEAVY, overload_parts, rate, overload_gate_ms)
    whole &= _tell(run, overload_parts, 0.8 * overload_gate_ms)
    print(f"\n{'met' if whole else 'MISSED'}; load after {os.getloadavg()[0]:.1f}")


def play(repository: Path, parts: int, rate: float, gate_ms: float) -> LineRun:
    """Let parts pass before a server of a repository."""
    conveyor = Conveyor(math.inf, 1 / rate, gate_ms / 1000, parts, seed=1)
    layout = PlantLayout(conveyor, good=GOOD, defects=BAD)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server_of(repository, folder) as server:
            box = PlantBox(layout, 0.8 * gate_ms, server, folder)
            outcome = asyncio.run(box.run(moved=_dots(parts)))
        lines = (folder / "station.jsonl").read_text().splitlines()
    return LineRun(outcome, [json.loads(line) for line in lines])


@contextmanager
def server_of(repository: Path, folder: Path) -> Iterator[BoxServer]:
    """A server of a repository of one model, with a recipe of the number 1 for it.

    It gives way to station, PLC and camera, which have cores of their own in a plant.
    """
    with serving(repository, folder, niceness=10) as server:
        model = next(path.name for path in repository.iterdir() if path.is_dir())
        recipe = {"number": 1, "alpha": ALPHA, "views": [{"name": "top", "model": model}]}
        request = urllib.request.Request(
            f"{server.url}/v1/recipes/line",
            json.dumps({**recipe, "deadline_ms": 10_000}).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=10).close()
        yield BoxServer(server.url, server)


def _dots(parts: int) -> Callable[[object], None]:
    seen = Counter[str]()

    def moved(move: object) -> None:
        seen["all"] += 1
        if seen["all"] % max(1, parts // 20) == 0:
            print(".", end="", flush=True)

    return moved


def _tell(run: LineRun, parts: int, result_ms: float) -> bool:
    results = [line for line in run.lines if line["event"] == "result"]
    late = sum(line["event"] == "late" for line in run.lines)
    numbers = [line["part"] for line in results]
    codes = Counter(line["result"] for line in results)
    reasons = Counter(line["reason"] for line in results if line["reason"])
    took = np.array([line["took_ms"] for line in results])
    moves = run.outcome.moves
    print(
        f"\n  at the gate {len(moves)}, results {len(results)}: "
        + ", ".join(f"{codes[code]} {code}" for code in ("ok", "ng", "no_decision"))
        + f"; reasons {dict(reasons)}; late verdicts, never shown: {late}"
    )
    once = numbers == sorted(set(numbers))
    untold = parts - len(set(numbers))
    print(f"  each part once and in order: {once}; triggers the station did not hear: {untold}")
    print(f"  results after their time: {int((took > result_ms + 1).sum())}")
    print("  in the station:    " + _times(took))
    print("  edge to gate coil: " + _times(run.outcome.times_ms))
    for line in run.outcome.broken[:5]:
        print(f"  BROKEN: {line}")
    silent = sum(one.result is None for one in moves)
    print(f"  at the gate without a result (rejected): {silent}; broken: {len(run.outcome.broken)}")
    return once and not run.outcome.broken and untold == 0 and not (took > result_ms + 1).any()


def _times(times_ms: np.ndarray) -> str:
    p50, p99, worst = np.percentile(times_ms, (50, 99, 100))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms"


if __name__ == "__main__":
    main()
