"""The watch on real pictures: false alarms, and how soon it sees what was done to the camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.changes import CHANGES, SAYS, SLOW
from benchmarks.drift.seen import DEFECT, GOOD, SeenPictures
from takt.core.pictures.facts import FACTS, Look, look_of, looks_without_each
from takt.recording.watch.alarms import MovedFact
from takt.watching.calibration import CalibratedFacts
from takt.watching.causes import CauseAlarm, CauseWatch
from takt.watching.explaining import explaining_first

CALIBRATING: Final = 200
BEFORE, AFTER = 200, 400
"""Pictures of a run before a change, and after it began."""

WITHIN, SLOW_WITHIN = 50, 200
COUNTED: Final = 2.0
"""Deviations by which a change has to move a fact to be counted."""

DEFECT_SHARES: Final = {"only defects": 1.0, "one in four a defect": 0.25}

WATCHED: Final = tuple(fact.name for fact in FACTS if fact.of_picture or fact.name == "score")
_SCORE = WATCHED.index("score")
_COLUMNS = [place for place, fact in enumerate(FACTS) if fact.name in WATCHED]


@dataclass(frozen=True)
class Cell:
    """A change of a set's pictures, over some runs.

    Attributes:
        change: its name.
        deviations: by which it moves the fact of the camera that it moves most.
        fact: that one.
        score_deviations: by which it moves the score.
        runs: number of them.
        right: runs whose first alarm is the right one and comes in time.
        late: runs whose first alarm is the right one and comes later.
        other: runs whose first alarm is the other one.
        half: pictures until half of the runs have the right alarm; inf where they have not.
        alarms: runs with an alarm of either cause.
        named: of these, the runs whose alarm of the camera says what was done.
    """

    change: str
    deviations: float
    fact: str
    score_deviations: float
    runs: int
    right: int
    late: int
    other: int
    half: float
    alarms: int
    named: int

    @property
    def counted(self) -> bool:
        """Whether the bar is for it."""
        if self.change in DEFECT_SHARES:
            return DEFECT_SHARES[self.change] == 1
        return self.deviations >= COUNTED


@dataclass(frozen=True)
class OfSet:
    """What came of a set.

    Attributes:
        cells: of each change and of defects.
        pictures: of all streams without a change.
        streams: number of those.
        alarmed: number of those with an alarm.
        alarms: facts and sides of the alarms that they had.
    """

    cells: tuple[Cell, ...]
    pictures: int
    streams: int
    alarmed: int
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class _Drawn:
    """A calibration, and all pictures of the set beside it: facts by kind [n, facts]."""

    calibration: CalibratedFacts
    table: NDArray[np.float64]
    of_kind: dict[str, NDArray[np.float64]]


def measure(seen: SeenPictures, runs: int, length: int, seed: int) -> OfSet:
    """Runs with a calibration drawn anew for each, and a stream of some length without a change."""
    rng = np.random.default_rng(seed)
    delays: dict[str, list[tuple[str, int, str]]] = {}
    moves: dict[str, list[NDArray[np.float64]]] = {}
    alarms: list[str] = []
    alarmed = 0
    for _ in range(runs):
        drawn = _draw(seen, rng)
        events = CauseWatch(drawn.calibration).see_all(_some(drawn, GOOD, length, rng))
        alarms += [_named(one) for one in events if isinstance(one, CauseAlarm)]
        alarmed += bool(events)
        for change, stream in _streams(drawn, rng):
            before = _some(drawn, GOOD, BEFORE, rng)
            events = CauseWatch(drawn.calibration).see_all(np.concatenate([before, stream]))
            delays.setdefault(change, []).append(_first(events))
            kind = DEFECT if change in DEFECT_SHARES else change
            moves.setdefault(change, []).append(_moves(drawn, kind))
    cells = tuple(_cell(name, delays[name], np.array(moves[name])) for name in delays)
    return OfSet(cells, runs * length, runs, alarmed, tuple(alarms))


def _draw(seen: SeenPictures, rng: np.random.Generator) -> _Drawn:
    chosen = rng.choice(seen.of(GOOD), CALIBRATING).tolist()
    smalls = [seen.small[one].astype(np.float32) for one in chosen]
    rows = [
        _beside(seen, one, look)
        for one, look in zip(chosen, looks_without_each(smalls), strict=True)
    ]
    table, look = np.array(rows), look_of(smalls)
    of_kind = {
        kind: np.array([_beside(seen, one, look) for one in seen.of(kind).tolist()])
        for kind in (GOOD, DEFECT, *CHANGES)
    }
    return _Drawn(CalibratedFacts(WATCHED, table), table, of_kind)


def _beside(seen: SeenPictures, number: int, look: Look) -> NDArray[np.float64]:
    return seen.beside(number, look)[_COLUMNS].astype(np.float64)


def _some(drawn: _Drawn, kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    pool = drawn.of_kind[kind]
    return pool[rng.integers(len(pool), size=count)]


def _streams(drawn: _Drawn, rng: np.random.Generator) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for change in CHANGES:
        yield change, _some(drawn, change, AFTER, rng)
    for name, share in DEFECT_SHARES.items():
        good, bad = _some(drawn, GOOD, AFTER, rng), _some(drawn, DEFECT, AFTER, rng)
        yield name, np.where(rng.random((AFTER, 1)) < share, bad, good)


def _first(events: Sequence[object]) -> tuple[str, int, str]:
    """Cause of the first alarm after the change, its delay in pictures, and what it says."""
    for one in events:
        if isinstance(one, CauseAlarm) and one.picture >= BEFORE:
            moved = [MovedFact(fact.fact, fact.side, fact.evidence, 0, 0) for fact in one.moved]
            return one.cause, one.picture - BEFORE + 1, explaining_first(moved)[0].fact
    return "none", AFTER + 1, ""


def _moves(drawn: _Drawn, kind: str) -> NDArray[np.float64]:
    """By how many deviations of the calibration the median of each fact is moved [facts].

    It is inf where there are none. The mean would be moved by a few pictures alone.
    """
    away = np.median(drawn.of_kind[kind], axis=0) - np.median(drawn.of_kind[GOOD], axis=0)
    deviation = drawn.table.std(axis=0, ddof=1)
    without = np.where(np.abs(away) > 1e-6, np.inf, 0.0)
    return np.asarray(np.divide(away, deviation, out=without, where=deviation > 0))


def _cell(name: str, found: list[tuple[str, int, str]], moves: NDArray[np.float64]) -> Cell:
    wanted = "defects" if name in DEFECT_SHARES else "camera"
    within = SLOW_WITHIN if name in SLOW or name in DEFECT_SHARES else WITHIN
    moved = np.median(moves, axis=0)
    of_camera = np.abs(moved)
    of_camera[_SCORE] = 0
    most = int(np.argmax(of_camera))
    right = [(delay, fact) for cause, delay, fact in found if cause == wanted]
    delays = [*(delay for delay, _ in right), *([np.inf] * (len(found) - len(right)))]
    return Cell(
        change=name,
        deviations=float(abs(moved[most])),
        fact=WATCHED[most],
        score_deviations=float(moved[_SCORE]),
        runs=len(found),
        right=sum(delay <= within for delay, _ in right),
        late=sum(delay > within for delay, _ in right),
        other=sum(cause not in (wanted, "none") for cause, _, _ in found),
        half=float(np.median(delays)),
        alarms=sum(cause != "none" for cause, _, _ in found),
        named=sum(fact in SAYS.get(name, ()) for _, fact in right),
    )


def _named(alarm: CauseAlarm) -> str:
    return f"{alarm.moved[0].fact} {alarm.moved[0].side}"
