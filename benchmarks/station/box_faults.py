"""Faults in real processes: each three times, and twenty random pairs.

    python -m benchmarks.station.box_faults [--times 3] [--pairs 20] [--seed 0]
    python -m benchmarks.station.box_faults --fault clock_stepped

The gate rejects within two heartbeats, no part has another part's result, and the line goes on.
Where the clock of the day is all that goes wrong, each part has its decision all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from benchmarks.station.line import BAD, GOOD, LIGHT, server_of
from benchmarks.station.wall_clock import WallClock, wall_clock
from takt_station.plant.box import HEARTBEAT_MS, BoxOutcome, BoxServer, PlantBox
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import REAL_FAULTS, Fault, FaultKind
from takt_station.plant.layout import PlantLayout

EVERY_S, GATE_S, PARTS = 0.2, 0.4, 110
RESULT_MS = 300
CLOCK_STEPPED: Final = "clock_stepped"
"""The wall clock of server, station, PLC and camera is set, and set back at the fault's end."""

KINDS: Final = (*REAL_FAULTS, CLOCK_STEPPED)
_STEP_S: Final = 3600
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock goes wrong for a while.

    Attributes:
        at_s: when it is set, from the first part on.
        lasts_s: how long until it is set back.
        ahead_s: how far it goes before the right time; negative for behind it.
    """

    at_s: float
    lasts_s: float
    ahead_s: int

    def holds(self, now_s: float) -> bool:
        """Whether it goes wrong at a time."""
        return self.at_s <= now_s < self.at_s + self.lasts_s


@dataclass(frozen=True, slots=True)
class BoxPlay:
    """What became of a play.

    Attributes:
        outcome: as the PLC has it.
        logged_s: when the station gave each result, by the clock that it saw.
    """

    outcome: BoxOutcome
    logged_s: Sequence[float]


@click.command()
@click.option("--times", default=3, show_default=True, help="Each fault alone.")
@click.option("--pairs", default=20, show_default=True, help="Random pairs.")
@click.option("--seed", default=0, show_default=True)
@click.option("--fault", type=click.Choice(KINDS), help="Only plays with this one.")
def main(times: int, pairs: int, seed: int, fault: str | None) -> None:
    """Print what is broken."""
    rng = np.random.default_rng(seed)
    alone = [(kind,) for kind in KINDS if fault in (None, kind) for _ in range(times)]
    every = [
        pair
        for pair in itertools.combinations_with_replacement(KINDS, 2)
        if fault is None or fault in pair
    ]
    chosen = [every[int(rng.integers(len(every)))] for _ in range(pairs)]
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as name,
        wall_clock(Path(name)) as clock,
        server_of(LIGHT, Path(name)) as server,
    ):
        for number, kinds in enumerate([*alone, *chosen]):
            said = _play(server, clock, number, kinds, rng)
            wrong += bool(said)
            print(f"  {'+'.join(kinds)}: {'; '.join(said) or 'held'}", flush=True)
    print(
        f"{len(alone) + len(chosen)} plays of {PARTS} parts, {wrong} of them with something broken"
    )


def _play(
    server: BoxServer, clock: WallClock, seed: int, kinds: Sequence[str], rng: np.random.Generator
) -> list[str]:
    faults: list[Fault] = []
    steps: list[ClockStep] = []
    for kind in kinds:
        at_s, lasts_s = float(rng.uniform(2, 6)), float(rng.uniform(0.3, 3))
        if kind == CLOCK_STEPPED:
            # Forward and back by turns.
            steps.append(ClockStep(at_s, lasts_s, _STEP_S if seed % 2 else -_STEP_S))
        else:
            faults.append(Fault(FaultKind(kind), at_s, lasts_s))
    played = asyncio.run(_run(server, clock, seed, faults, steps))
    outcome = played.outcome
    said = [*outcome.broken]
    passed_s = [(one.part - 1) * EVERY_S + GATE_S for one in outcome.moves if one.passed]
    unheard_s = 2 * HEARTBEAT_MS / 1000
    for fault in faults:
        if fault.kind in (FaultKind.NETWORK_CUT, FaultKind.STATION_KILLED):
            first_s, last_s = fault.at_s + unheard_s + 0.05, fault.at_s + fault.lasts_s
            silent = [at_s for at_s in passed_s if first_s < at_s < last_s]
            said += [
                f"a part passed {at_s - fault.at_s:.2f} s into {fault.kind}" for at_s in silent
            ]
    if not any(at_s > (PARTS - 20) * EVERY_S for at_s in passed_s):
        said.append("the line does not go on")
    if not faults:
        # A machine that has too much to do brings about the same.
        none = [one.part for one in outcome.moves if one.result not in ("OK", "NG")]
        odd = [one.part for one in outcome.moves if one.passed != (one.result == "OK")]
        said += [f"{len(none)} parts have no decision, from {none[0]} on"] if none else []
        said += [f"the gate did not go by the result of part {part}" for part in odd]
        if np.abs(np.diff(played.logged_s)).max() < _STEP_S / 2:
            said.append("the station's clock was not set")
    return said


async def _run(
    server: BoxServer,
    clock: WallClock,
    seed: int,
    faults: Sequence[Fault],
    steps: Sequence[ClockStep],
) -> BoxPlay:
    conveyor = Conveyor(math.inf, EVERY_S, GATE_S, PARTS, seed)
    layout = PlantLayout(conveyor, good=GOOD, defects=BAD)
    with tempfile.TemporaryDirectory() as name:
        box = PlantBox(layout, RESULT_MS, server, Path(name))
        async with _stepped(clock, Path(name) / "plant.json", steps):
            outcome = await box.run(faults)
        lines = (Path(name) / "station.jsonl").read_text().splitlines()
    return BoxPlay(outcome, [json.loads(line)["at_s"] for line in lines])


@asynccontextmanager
async def _stepped(
    clock: WallClock, plant: Path, steps: Sequence[ClockStep]
) -> AsyncIterator[None]:
    """Have the clock set and set back, once the plant's conveyor moves."""
    stepping = asyncio.create_task(_step(clock, plant, steps))
    try:
        yield
    finally:
        stepping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stepping
        clock.put_forward(0)


async def _step(clock: WallClock, plant: Path, steps: Sequence[ClockStep]) -> None:
    while not plant.exists() or (start_s := PlantLayout.read(plant).conveyor.start_s) == math.inf:
        await asyncio.sleep(_LOOK_S)
    while True:
        now_s = time.monotonic() - start_s
        clock.put_forward(sum(one.ahead_s for one in steps if one.holds(now_s)))
        await asyncio.sleep(_LOOK_S)


if __name__ == "__main__":
    main()
