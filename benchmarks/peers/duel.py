"""A system against the control: both are up, one is measured at a time, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.peers.figures import Cell, Key, Pair, Run, Scores, to_cell
from benchmarks.peers.load import run_load
from benchmarks.peers.places import Places
from benchmarks.peers.results import Facts
from benchmarks.peers.server import Server, started
from benchmarks.peers.systems import System

CONTROL_PORT = 9101
PEER_PORT = 9201
WARM_UP_S = 1
IDLE_S = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and for how long.

    Attributes:
        models: in turn; both servers start anew for each.
        widths: of the pictures.
        clients: at once.
        run_s: length of one run.
        keep: pairs of runs that count.
        most: pairs of runs that are made, while fewer than `keep` were quiet.
        quiet: share of the machine that other work may take in a quiet pair.
        nice: of the servers and the load generator.
    """

    models: tuple[str, ...]
    widths: tuple[int, ...]
    clients: tuple[int, ...]
    run_s: int
    keep: int
    most: int
    quiet: float
    nice: int


class Duel:
    """A system and the control, and how they take turns."""

    def __init__(self, control: Server, peer: Server, plan: Plan) -> None:
        self._control = control
        self._peer = peer
        self._plan = plan

    def scores(self) -> tuple[Scores, ...]:
        """What both answer; systems that answer differently are not compared."""
        system = self._peer.system
        found = tuple(
            Scores(width, self._control.score(width), self._peer.score(width))
            for width in self._plan.widths
        )
        for scores in found:
            if scores.difference > system.score_tolerance:
                raise SystemExit(
                    f"{system.name} scores the picture of {scores.width} columns "
                    f"{scores.peer:.4f}, the control {scores.control:.4f}: not the same work"
                )
        return found

    def cell(self, key: Key) -> Cell:
        """Warm both up, then measure adjacent pairs; the order of a pair turns each time."""
        for server in (self._control, self._peer):
            self._run(server, key, WARM_UP_S)
        pairs: list[Pair] = []
        while len(pairs) < self._plan.most and self._quiet(pairs) < self._plan.keep:
            pairs.append(self._pair(key, control_first=len(pairs) % 2 == 0))
        self._control.resume()
        self._peer.resume()
        return to_cell(key, pairs, self._plan.keep)

    def _pair(self, key: Key, *, control_first: bool) -> Pair:
        if control_first:
            control = self._run(self._control, key, self._plan.run_s)
            return Pair(control, self._run(self._peer, key, self._plan.run_s))
        peer = self._run(self._peer, key, self._plan.run_s)
        return Pair(self._run(self._control, key, self._plan.run_s), peer)

    def _run(self, server: Server, key: Key, run_s: int) -> Run:
        other = self._peer if server is self._control else self._control
        other.pause()
        server.resume()
        run = run_load(server, key.width, key.clients, run_s, self._plan.nice)
        if server is self._control and run.requests == 0:
            raise SystemExit("the control answered nothing; see its log")
        return run

    def _quiet(self, pairs: list[Pair]) -> int:
        return sum(pair.noise < self._plan.quiet for pair in pairs)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model gave."""

    facts: Facts
    cells: tuple[Cell, ...]


def measure(
    control: System,
    peer: System,
    plan: Plan,
    places: Places,
    more: Mapping[str, str],
    turn: Callable[[], AbstractContextManager[None]],
    tell: Callable[[Cell], None],
) -> Iterator[Measured]:
    """Measure a system, one model after the other.

    Args:
        control: what it is compared with.
        peer: the system.
        plan: what and how long.
        places: of the graphs and logs.
        more: environment for the system.
        turn: held while times are taken.
        tell: called with each cell as it is done.
    """
    for model in plan.models:
        with (
            started(control, CONTROL_PORT, model, places, {}, plan.nice) as plain,
            started(peer, PEER_PORT, model, places, more, plan.nice) as server,
        ):
            duel = Duel(plain, server, plan)
            scores = duel.scores()
            fresh_mib, idle = server.tree.memory_mib(), _idle_share(server)
            cells = []
            with turn():
                for width in plan.widths:
                    for clients in plan.clients:
                        cells.append(duel.cell(Key(model, width, clients)))
                        tell(cells[-1])
            facts = Facts(model, server.start_s, fresh_mib, server.tree.memory_mib(), idle, scores)
        yield Measured(facts, tuple(cells))


def _idle_share(server: Server) -> float:
    """Share of one core that it uses when nobody asks."""
    before_s = server.tree.cpu_s()
    time.sleep(IDLE_S)
    return (server.tree.cpu_s() - before_s) / IDLE_S
