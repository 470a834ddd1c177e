"""The command line: measure systems, or make the tables of what was measured."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks.peers.assets import HEIGHTS, MODELS
from benchmarks.peers.bundles import make_missing
from benchmarks.peers.duel import Plan, measure
from benchmarks.peers.figures import QUIET, Cell
from benchmarks.peers.places import Places, default_places
from benchmarks.peers.report import report
from benchmarks.peers.results import Result, load_all, save, versions
from benchmarks.peers.systems import CONTROL, OURS, OURS_KEYS, System, systems

SMOKE: dict[str, Any] = {
    "system": [OURS],
    "control": OURS_KEYS,
    "models": ["null"],
    "sizes": [min(HEIGHTS)],
    "conc": [1],
    "secs": 1,
    "nice": 0,
    "rounds": 1,
    "max_rounds": 1,
}
"""What shows that the comparison runs, without the environment of a peer."""


def main() -> None:
    """Do what the command line asks for."""
    given = _parser().parse_args()
    if given.smoke:
        vars(given).update(SMOKE)
    places = default_places()
    places.results.mkdir(parents=True, exist_ok=True)
    if given.prepare:
        shutil.rmtree(places.assets, ignore_errors=True)
        shutil.rmtree(places.bundles, ignore_errors=True)
    names = _names(given, systems(places))
    if given.smoke:
        make_missing(places, SMOKE["models"], ("reduced",))
    elif names or given.prepare:
        make_missing(places)
    if names:
        _measure(given, names, places)
    if given.report:
        text = report(load_all(places.results))
        (places.results / "report.md").write_text(text, encoding="utf-8")
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("system", nargs="*", help="as systems.py calls them")
    add("--all", action="store_true", help="every system but variants")
    add("--prepare", action="store_true", help="make graphs, pictures and bundles anew")
    add("--report", action="store_true", help="the tables of all results, after any measurement")
    add("--smoke", action="store_true", help="one short cell of Takt against itself, in seconds")
    add("--models", nargs="+", default=list(MODELS), choices=MODELS)
    add("--sizes", nargs="+", type=int, default=list(HEIGHTS), choices=list(HEIGHTS))
    add("--conc", nargs="+", type=int, default=[1, 8, 32], help="clients at once")
    add("--secs", type=int, default=2, help="of one run")
    add("--rounds", type=int, default=3, help="pairs of runs that count")
    add("--max-rounds", type=int, default=3, help="pairs of runs made to get enough quiet ones")
    add("--noise", type=float, default=QUIET, help="share of the machine that others may use")
    add("--nice", type=int, default=-10, help="of servers and wrk, where that is allowed")
    add("--control", default=CONTROL, metavar="NAME", help="compare with this system instead")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="environment of the system")
    add("--save", metavar="NAME", help="of the result, where it is not the system's")
    add("--lock", type=Path, help="file that is locked while times are taken")
    return parser


def _names(given: argparse.Namespace, known: dict[str, System]) -> list[str]:
    names = list(given.system)
    if given.all:
        names += [name for name, system in known.items() if not system.variant and name != CONTROL]
    unknown = [name for name in (*names, given.control) if name not in known]
    if unknown:
        raise SystemExit(f"no system is called {', '.join(unknown)}; there are {', '.join(known)}")
    if not (names or given.report or given.prepare):
        raise SystemExit("name a system, or give --all, --report or --prepare")
    return names


def _measure(given: argparse.Namespace, names: Sequence[str], places: Places) -> None:
    # So that a terminated run still ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.suppress(PermissionError):
        os.nice(given.nice)
    known = systems(places)
    # The ports are fixed: one comparison at a time.
    with _locked(places.out / "lock"):
        for name in names:
            result = _measured(given, known[given.control], known[name], places)
            if given.control == CONTROL:
                print(f"{name}: {save(result, places.results)}", flush=True)
            else:
                # No row of the tables, which are all against the same control.
                print(_summary(result, given.control), flush=True)


def _measured(given: argparse.Namespace, control: System, peer: System, places: Places) -> Result:
    def tell(cell: Cell) -> None:
        print(_line(peer.name, cell), flush=True)

    more = dict(pair.split("=", 1) for pair in given.set)
    parts = list(
        measure(control, peer, _plan(given), places, more, lambda: _locked(given.lock), tell)
    )
    return Result(
        name=given.save or peer.name,
        system=peer.name,
        remark=peer.remark,
        measured_at=time.strftime("%F %T"),
        arguments=tuple(sys.argv[1:]),
        versions={system.name: versions(system) for system in (control, peer)},
        facts=tuple(part.facts for part in parts),
        cells=tuple(cell for part in parts for cell in part.cells),
    )


def _plan(given: argparse.Namespace) -> Plan:
    return Plan(
        models=tuple(given.models),
        widths=tuple(given.sizes),
        clients=tuple(given.conc),
        run_s=given.secs,
        keep=given.rounds,
        most=max(given.rounds, given.max_rounds),
        quiet=given.noise,
        nice=given.nice,
    )


@contextlib.contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    """Hold a lock that other runs wait for; none without a path."""
    if path is None:
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _summary(result: Result, control: str) -> str:
    ratios = [cell.ratio for cell in result.cells]
    errors = sum(cell.peer.errors for cell in result.cells)
    return (
        f"{result.name} over {control}, {len(ratios)} cells: lowest x{min(ratios):.3f}, "
        f"geometric mean x{geometric_mean(ratios):.3f}, errors {errors}"
    )


def _line(name: str, cell: Cell) -> str:
    key, peer, control = cell.key, cell.peer, cell.control
    return (
        f"{name:17} {key.model} {key.width:4} c{key.clients:<2} | "
        f"{peer.rate_per_s:7.1f}/s p50 {peer.p50_ms:6.1f} p95 {peer.p95_ms:6.1f} "
        f"p99 {peer.p99_ms:6.1f} ms cpu {peer.cpu_ms:5.2f} ms errors {peer.errors} | "
        f"control {control.rate_per_s:7.1f}/s p50 {control.p50_ms:6.1f} "
        f"p99 {control.p99_ms:6.1f} ms cpu {control.cpu_ms:5.2f} ms | "
        f"x{cell.ratio:.2f} [{cell.ratio_low:.2f}-{cell.ratio_high:.2f}] noise {cell.noise:.0%}"
    )
