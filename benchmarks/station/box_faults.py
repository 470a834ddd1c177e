"""Faults in real processes: each three times, and twenty random pairs.

    python -m benchmarks.station.box_faults [--times 3] [--pairs 20] [--seed 0]

The gate rejects within two heartbeats, no part has another part's result, and the line goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.station.line import BAD, GOOD, LIGHT, server_of
from service.station.plant.box import BoxServer, BoxTiming, PlantBox
from service.station.plant.conveyor import Conveyor
from service.station.plant.faults import REAL_FAULTS, Fault, FaultKind
from service.station.plant.layout import PlantLayout

EVERY_S, GATE_S, PARTS = 0.2, 0.4, 110
TIMING = BoxTiming(result_ms=300)


@click.command()
@click.option("--times", default=3, show_default=True, help="Each fault alone.")
@click.option("--pairs", default=20, show_default=True, help="Random pairs.")
@click.option("--seed", default=0, show_default=True)
def main(times: int, pairs: int, seed: int) -> None:
    """Print what is broken."""
    rng = np.random.default_rng(seed)
    alone = [(kind,) for kind in REAL_FAULTS for _ in range(times)]
    every = [*itertools.combinations_with_replacement(REAL_FAULTS, 2)]
    chosen = [every[int(rng.integers(len(every)))] for _ in range(pairs)]
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    wrong = 0
    with tempfile.TemporaryDirectory() as name, server_of(LIGHT, Path(name)) as server:
        for number, kinds in enumerate([*alone, *chosen]):
            faults = [
                Fault(kind, float(rng.uniform(2, 6)), float(rng.uniform(0.3, 3))) for kind in kinds
            ]
            said = _play(server, number, faults)
            wrong += bool(said)
            print(f"  {'+'.join(kinds)}: {'; '.join(said) or 'held'}", flush=True)
    print(
        f"{len(alone) + len(chosen)} plays of {PARTS} parts, {wrong} of them with something broken"
    )


def _play(server: BoxServer, seed: int, faults: Sequence[Fault]) -> list[str]:
    conveyor = Conveyor(math.inf, EVERY_S, GATE_S, PARTS, seed)
    with tempfile.TemporaryDirectory() as name:
        layout = PlantLayout(conveyor, good=GOOD, defects=BAD)
        outcome = asyncio.run(PlantBox(layout, TIMING, server, Path(name)).run(faults))
    said = [*outcome.broken]
    passed_s = [(one.part - 1) * EVERY_S + GATE_S for one in outcome.moves if one.passed]
    unheard_s = 2 * TIMING.heartbeat_ms / 1000
    for fault in faults:
        if fault.kind in (FaultKind.NETWORK_CUT, FaultKind.STATION_KILLED):
            first_s, last_s = fault.at_s + unheard_s + 0.05, fault.at_s + fault.lasts_s
            silent = [at_s for at_s in passed_s if first_s < at_s < last_s]
            said += [
                f"a part passed {at_s - fault.at_s:.2f} s into {fault.kind}" for at_s in silent
            ]
    if not any(at_s > (PARTS - 20) * EVERY_S for at_s in passed_s):
        said.append("the line does not go on")
    return said


if __name__ == "__main__":
    main()
