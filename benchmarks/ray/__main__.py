"""Takt on Ray Serve against a plain Ray Serve application with `@serve.batch`, side by side.

    make test-ray                       # makes out/ray, which both run in
    python -m benchmarks.ray            # four minutes; --kind whole decodes as the plain one does

Ends with code 1 where a bar is missed. The README beside this file has the method and figures.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.bundles import make_missing
from benchmarks.peers.duel import Plan, measure
from benchmarks.peers.figures import Cell
from benchmarks.peers.places import Places, default_places
from benchmarks.peers.systems import RUNTIME, System, systems

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "out" / "ray" / "bin" / "python"
MODEL = "tiny"
CLIENTS = (8, 32)
LEAST_RATIO = {256: 1.0, 1280: 1.2}
"""Requests per second over the plain application's, by the picture's width in pixels."""

OWN_LOOP = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
"""As deploy/ray/serve.yaml has it."""


def main() -> int:
    """Measure; returns the exit code."""
    given = _parser().parse_args()
    places = default_places()
    places.results.mkdir(parents=True, exist_ok=True)
    make_missing(places)
    plain = replace(systems(places)["ray"], python=given.python)
    plan = Plan((MODEL,), tuple(LEAST_RATIO), CLIENTS, given.secs, given.rounds, given.rounds, 1, 0)
    ours = _ours(given.kind, given.python, plain, places)
    print("ours and plain: pictures/s, CPU ms a picture, p50 and p99 ms; x: median of the pairs")
    cells: list[Cell] = []
    for part in measure(plain, ours, plan, places, {}, contextlib.nullcontext, _tell):
        cells += part.cells
    return _judge(cells)


def _ours(kind: str, python: Path, plain: System, places: Places) -> System:
    return System(
        "takt-on-ray",
        python,
        Path(__file__).with_name("serve.py"),
        (*RUNTIME, "ray"),
        path="/v1/models/bench/inspect",
        environment={
            **plain.environment,
            **OWN_LOOP,
            "PYTHONPATH": str(ROOT),
            "BENCH_BUNDLES": str(places.bundles / kind),
        },
        pausable=False,
        score_tolerance=0.03 if kind == "reduced" else 0.01,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--kind", choices=("reduced", "whole"), default="reduced", help="of decoding; %(default)s")
    add("--python", type=Path, default=PYTHON, help="has Takt with the extra ray; %(default)s")
    add("--rounds", type=int, default=5, help="pairs of runs of each cell; %(default)s")
    add("--secs", type=int, default=2, help="of one run; %(default)s")
    return parser


def _tell(cell: Cell) -> None:
    sides = [
        f"{name} {one.rate_per_s:6.1f}/s {one.cpu_ms:5.2f} ms, {one.p50_ms:5.0f} {one.p99_ms:5.0f}"
        for name, one in (("ours", cell.peer), ("plain", cell.control))
    ]
    errors = cell.peer.errors + cell.control.errors
    print(
        f"{cell.key.width:4} c{cell.key.clients:<2} | {' | '.join(sides)} | x{cell.ratio:.2f} "
        f"[{cell.ratio_low:.2f} to {cell.ratio_high:.2f}] errors {errors}",
        flush=True,
    )


def _judge(cells: Sequence[Cell]) -> int:
    missed = 0
    for width, least in LEAST_RATIO.items():
        found = min(cell.ratio for cell in cells if cell.key.width == width)
        errors = sum(cell.peer.errors for cell in cells if cell.key.width == width)
        met = found >= least and not errors
        missed += not met
        print(
            f"{width} columns: x{found:.2f} at least, asked x{least:.1f}, "
            f"{errors} errors: {'met' if met else 'MISSED'}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
