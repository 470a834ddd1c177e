"""A whole plant in one process, in time that passes at once: for millions of parts and for faults.

The station is the real one; PLC, camera and server are made up, and so are the times that they
take. Everything comes from a seed, and can be played again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from takt.sources.capture import SourceError
from takt.sources.pacing import Shot
from takt_station.cycle.effects import (
    CameLate,
    Faulted,
    Given,
    PartDecision,
    PartInCycle,
    no_decision,
)
from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import InspectorAwayError, StationRecipe
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import Fault, FaultKind, FaultPlan, PlcFaults
from takt_station.plant.program import PartTexts, PlcProgram, PlcTiming
from takt_station.plant.virtual_plc import VirtualPlc
from takt_station.plant.virtual_time import run_virtual
from takt_station.running import Station

_VIEW: Final = "top"
_RECIPES: Final = (
    StationRecipe(1, "plate", (_VIEW,), codes=("AB-*",)),
    StationRecipe(2, "lid", (_VIEW,), codes=("CD-*",)),
)
"""By the kind of a part; the PLC asks for the first one alone, and codes tell the rest."""


@dataclass(frozen=True, slots=True)
class VirtualPlant:
    """What a plant is like.

    Attributes:
        timing: of the station.
        every_s: time from one part to the next.
        gate_s: time from the trigger to the gate.
        parts: how many there are.
        seed: of parts, times and everything else.
        scan_s: time between two scans of the PLC.
        inspected_s: time that the server takes for a picture; half to twice of it at random.
        capacity: pictures that the server inspects at a time; others wait, or are refused where
            they would wait too long.
        misread: share of parts whose code is read as something that no recipe has.
    """

    timing: CycleTiming
    every_s: float = 0.1
    gate_s: float = 0.25
    parts: int = 1000
    seed: int = 0
    scan_s: float = 0.01
    inspected_s: float = 0.02
    capacity: int = 2
    misread: float = 0.0

    def misreads(self, part: int) -> bool:
        """Whether the code of a part is misread."""
        return _misread_chance(self.seed, part) < self.misread


@lru_cache(maxsize=4096)
def _misread_chance(seed: int, part: int) -> float:
    return float(np.random.default_rng([seed, part, 2]).random())


@dataclass(slots=True)
class PlantOutcome:
    """What became of a plant's parts.

    Attributes:
        given: results of the station, in the order in which it gave them; a station that was
            killed and the one after it follow each other.
        late: verdicts that came too late.
        passed: parts that the gate let pass.
        judged: by part, what its picture was judged as, where it was judged.
        seen: by part, the part that its picture showed.
        recipes: by part, the names of the recipes that it was judged by.
        broken: promises that did not hold, in words.
    """

    given: list[Given] = field(default_factory=list)
    late: list[CameLate] = field(default_factory=list)
    passed: set[int] = field(default_factory=set)
    judged: dict[int, ResultCode] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    recipes: dict[int, set[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def times_ms(self) -> np.ndarray:
        """Times from trigger to result."""
        return np.array([(one.at_s - one.part.triggered_s) * 1000 for one in self.given])

    def count(self, code: ResultCode) -> int:
        """Results of a kind."""
        return sum(one.decision.code is code for one in self.given)


def play(plant: VirtualPlant, faults: Sequence[Fault] = ()) -> PlantOutcome:
    """Let all parts of a plant pass, and see what becomes of them."""
    return run_virtual(_Playing(plant, faults).run())


class _Playing:
    """A plant while its parts pass."""

    def __init__(self, plant: VirtualPlant, faults: Sequence[Fault]) -> None:
        self.plant = plant
        self._plan = FaultPlan(faults)
        self.rng = np.random.default_rng([plant.seed, 1])
        self.outcome = PlantOutcome()
        self.conveyor = Conveyor(5.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
        self._plc = VirtualPlc(
            self.conveyor,
            plant.scan_s,
            self._program,
            lambda: self.station,
            self._plan,
            PlcFaults(self.holds, self.rng),
        )
        self.server = asyncio.Semaphore(plant.capacity)
        self.waiting = 0
        self.station: Station | None = None
        self.last_sequence = 0

    def holds(self, kind: FaultKind) -> bool:
        """Whether a fault goes on now."""
        return self._plan.holds(kind, _now_s())

    async def run(self) -> PlantOutcome:
        keeping = asyncio.create_task(self._keep_station())
        self.outcome.passed = await self._plc.run()
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        self._check()
        return self.outcome

    async def _keep_station(self) -> None:
        """Have a station at work, but where it was killed."""
        while True:
            station = Station(self.plant.timing, {_VIEW: _Camera(self)}, _Server(self), [self])
            running = asyncio.create_task(station.run())
            self.station, self.last_sequence = station, 0
            try:
                while not self.holds(FaultKind.STATION_KILLED):
                    await self._until_a_change()
            finally:
                self.station = None
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
            while self.holds(FaultKind.STATION_KILLED):
                await self._until_a_change()
            await asyncio.sleep(0.5)  # a process takes its time to begin

    async def _until_a_change(self) -> None:
        """Wait until a fault begins or ends."""
        now_s = _now_s()
        await asyncio.sleep(self._plan.next_change_s(now_s) - now_s)

    def _program(self) -> PlcProgram:
        timing = PlcTiming(self.plant.timing.heartbeat_ms / 1000)
        return PlcProgram(timing, _RECIPES[0].number, self._texts)

    def _texts(self, part: int) -> PartTexts:
        begin = "??" if self.plant.misreads(part) else ("AB", "CD")[self.conveyor.kind(part)]
        return PartTexts(self.conveyor.lot(part), f"{begin}-{part}")

    def given(self, given: Given, recipe: StationRecipe | None) -> None:
        self.last_sequence += 1
        if given.part.sequence != self.last_sequence:
            self.outcome.broken.append(f"result {given} is out of order")
        if given.at_s > given.part.due_s + 1e-6:
            self.outcome.broken.append(f"result {given} is late")
        own = self._texts(given.part.part)
        if (given.part.lot, given.part.code) != (own.lot, own.code):
            self.outcome.broken.append(f"result {given} has the lot or code of another part")
        self.outcome.given.append(given)

    def came_late(self, late: CameLate) -> None:
        self.outcome.late.append(late)

    def faulted(self, fault: Faulted) -> None:
        """The PLC sees it by the heartbeat."""

    def _check(self) -> None:
        """What must hold of every part that was judged, and of those that the gate let pass."""
        for part, names in self.outcome.recipes.items():
            own = set() if self.plant.misreads(part) else {_RECIPES[self.conveyor.kind(part)].name}
            if names != own:
                self.outcome.broken.append(f"part {part} was judged by the recipe {names}")
        for part in sorted(self.outcome.passed):
            if self.outcome.judged.get(part) is not ResultCode.OK:
                self.outcome.broken.append(f"part {part} passed without an OK of its own")
            if self.outcome.seen.get(part) != part:
                seen = self.outcome.seen.get(part)
                self.outcome.broken.append(f"part {part} passed by the picture of {seen}")
            if self.conveyor.has_defect(part):
                self.outcome.broken.append(f"part {part} passed with a defect")


class _Camera:
    """Sees the part that is before it."""

    def __init__(self, playing: _Playing) -> None:
        self._playing = playing

    @property
    def well(self) -> bool:
        return not self._playing.holds(FaultKind.CAMERA_UNPLUGGED)

    async def acquire(self) -> Shot:
        playing = self._playing
        if playing.holds(FaultKind.CAMERA_UNPLUGGED):
            raise SourceError("the camera is unplugged")
        slow = playing.holds(FaultKind.CAMERA_SLOW)
        # The picture is exposed at once; a slow camera sends it late.
        part = playing.conveyor.at_camera(_now_s()) or 0
        await asyncio.sleep(playing.rng.uniform(0.5, 3.0) if slow else 0.008)
        return Shot(str(part), 0, b"%d" % part, _now_s())

    async def run(self) -> None:
        await asyncio.sleep(float("inf"))


class _Server:
    """Judges what a picture shows; takes its time, and refuses where it has none."""

    def __init__(self, playing: _Playing) -> None:
        self._playing = playing

    @property
    def _gone(self) -> bool:
        kinds = (FaultKind.SERVER_GONE, FaultKind.SERVER_KILLED)
        return any(self._playing.holds(kind) for kind in kinds)

    async def ready(self) -> bool:
        return not self._gone

    async def recipe(self, number: int) -> StationRecipe | None:
        return next((one for one in await self.recipes() if one.number == number), None)

    async def recipes(self) -> tuple[StationRecipe, ...]:
        await asyncio.sleep(0.02)
        if self._gone:
            raise InspectorAwayError("the server is gone")
        return _RECIPES

    async def inspect(
        self, part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        playing, plant = self._playing, self._playing.plant
        if self._gone:
            await asyncio.sleep(0.001)
            return no_decision(NoDecisionReason.UNREACHABLE)
        ahead_s = plant.inspected_s * (playing.waiting / plant.capacity + 1)
        if ahead_s > left_s:
            return no_decision(NoDecisionReason.REFUSED)
        playing.waiting += 1
        try:
            async with playing.server:
                took_s = plant.inspected_s * playing.rng.uniform(0.5, 2.0)
                slow = playing.holds(FaultKind.SERVER_SLOW)
                await asyncio.sleep(playing.rng.uniform(0.2, 1.5) if slow else took_s)
        finally:
            playing.waiting -= 1
        if playing.holds(FaultKind.SERVER_KILLED):
            return no_decision(NoDecisionReason.UNREACHABLE)
        playing.outcome.recipes.setdefault(part.part, set()).add(recipe.name)
        seen = int(shots[_VIEW].name)
        if seen == 0:
            code = ResultCode.NO_DECISION
        else:
            code = ResultCode.NG if playing.conveyor.has_defect(seen) else ResultCode.OK
        # A part that was triggered twice is judged twice; the first counts, as for the PLC.
        playing.outcome.seen.setdefault(part.part, seen)
        playing.outcome.judged.setdefault(part.part, code)
        if code is ResultCode.NO_DECISION:
            return no_decision(NoDecisionReason.UNDECIDED)
        return PartDecision(code, None, 0.2 if code is ResultCode.OK else 0.8)

    async def missed(self, part: PartInCycle, recipe: StationRecipe) -> None:
        """The server's record is no matter here."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()
