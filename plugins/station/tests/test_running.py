from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from takt.sources.capture import SourceError
from takt.sources.pacing import Shot
from takt_station.cycle.effects import CameLate, Faulted, Given, PartDecision, PartInCycle
from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.signals import Controls, OfflineReason, ResultCode, StationStatus
from takt_station.inspector import InspectorAwayError, StationRecipe
from takt_station.plant.virtual_time import run_virtual
from takt_station.running import Station

OK = PartDecision(ResultCode.OK, None, 0.1)


@dataclass
class FakeCamera:
    """Takes a picture that names itself, after a time; none where it is unplugged."""

    takes_s: float = 0.01
    well: bool = True
    taken: int = 0

    async def acquire(self) -> Shot:
        self.taken += 1
        number = self.taken
        await asyncio.sleep(self.takes_s)
        if not self.well:
            raise SourceError("the camera is unplugged")
        return Shot(str(number), 0, b"picture %d" % number)

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass
class FakeInspector:
    """Judges after a time, as a test says."""

    takes_s: float = 0.02
    is_ready: bool = True
    decide: Callable[[PartInCycle], PartDecision] = lambda part: OK
    views: tuple[str, ...] = ("top",)
    listed: tuple[StationRecipe, ...] = ()
    asked: list[tuple[int, str, list[bytes]]] = field(default_factory=list)
    unseen: list[tuple[int, str]] = field(default_factory=list)

    async def ready(self) -> bool:
        return self.is_ready

    async def recipe(self, number: int) -> StationRecipe | None:
        await asyncio.sleep(0.01)
        if not self.is_ready:
            raise InspectorAwayError("nobody is there")
        return StationRecipe(number, f"recipe {number}", self.views) if number < 10 else None

    async def recipes(self) -> tuple[StationRecipe, ...]:
        await asyncio.sleep(0.01)
        if not self.is_ready:
            raise InspectorAwayError("nobody is there")
        return self.listed

    async def inspect(
        self, part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        self.asked.append((part.part, recipe.name, [bytes(one.picture) for one in shots.values()]))
        await asyncio.sleep(self.takes_s)
        return self.decide(part)

    async def missed(self, part: PartInCycle, recipe: StationRecipe) -> None:
        self.unseen.append((part.part, recipe.name))


@dataclass
class Heard:
    """What a station tells."""

    given_: list[Given] = field(default_factory=list)
    late: list[CameLate] = field(default_factory=list)
    faults: list[Faulted] = field(default_factory=list)

    def given(self, given: Given, recipe: StationRecipe | None) -> None:
        self.given_.append(given)

    def came_late(self, late: CameLate) -> None:
        self.late.append(late)

    def faulted(self, fault: Faulted) -> None:
        self.faults.append(fault)

    @property
    def codes(self) -> list[str]:
        return [one.decision.reason or one.decision.code.name for one in self.given_]


class Plc:
    """A controller without a protocol."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.said = Controls(trigger_enable=True)

    def say(self, **changes: bool | int | str | None) -> None:
        self.said = replace(self.said, **changes)  # type: ignore[arg-type]
        self.station.controls(self.said)

    async def trigger(
        self, part: int, every_s: float = 0.1, *, lot: str | None = "", code: str | None = ""
    ) -> None:
        self.say(trigger=True, part=part, lot=lot, code=code)
        await asyncio.sleep(every_s / 2)
        self.say(trigger=False)
        await asyncio.sleep(every_s / 2)


@asynccontextmanager
async def at_work(
    camera: FakeCamera,
    inspector: FakeInspector,
    heard: Heard,
    timing: CycleTiming = CycleTiming(result_ms=100),  # noqa: B008
    **cameras: FakeCamera,
) -> AsyncIterator[Plc]:
    station = Station(timing, {"top": camera, **cameras}, inspector, [heard])
    running = asyncio.create_task(station.run())
    plc = Plc(station)
    plc.say(execute_command=True, command=1)
    await asyncio.sleep(1)
    plc.say(execute_command=False)
    try:
        yield plc
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def line(
    work: Callable[[Plc], Coroutine[Any, Any, None]],
    camera: FakeCamera | None = None,
    inspector: FakeInspector | None = None,
    **cameras: FakeCamera,
) -> Heard:
    """What is heard of a station while something is done, in time that passes at once."""
    heard = Heard()

    async def main() -> None:
        parts = camera or FakeCamera(), inspector or FakeInspector(), heard
        async with at_work(*parts, **cameras) as plc:
            await work(plc)
            await asyncio.sleep(2)

    run_virtual(main())
    return heard


async def three_parts(plc: Plc) -> None:
    for part in (1, 2, 3):
        await plc.trigger(part)


def test_each_part_is_judged_by_its_own_picture() -> None:
    inspector = FakeInspector()
    heard = line(three_parts, inspector=inspector)

    assert heard.codes == ["OK"] * 3
    assert [one.part.part for one in heard.given_] == [1, 2, 3]
    assert inspector.asked == [
        (number, "recipe 1", [b"picture %d" % number]) for number in (1, 2, 3)
    ]
    assert all(one.at_s == pytest.approx(one.part.triggered_s + 0.03) for one in heard.given_)


def test_an_inspector_that_is_too_slow_is_no_decision_in_time_and_told_as_late() -> None:
    inspector = FakeInspector(takes_s=0.3)
    heard = line(lambda plc: plc.trigger(1), inspector=inspector)

    (given,) = heard.given_
    (late,) = heard.late
    assert heard.codes == ["deadline"]
    assert given.at_s == pytest.approx(given.part.due_s)
    assert (late.decision, late.late_ms) == (OK, pytest.approx(210))


def test_what_the_controller_reads_is_told_whenever_it_is_otherwise_and_at_each_beat() -> None:
    told: list[StationStatus] = []

    async def work(plc: Plc) -> None:
        station = plc.station
        station.tell_changes(lambda: told.append(station.status()))
        await plc.trigger(7)
        await asyncio.sleep(1)

    line(work)

    assert all(before != after for before, after in pairwise(told))
    shown = [one.result for one in told if one.result is not None]
    assert shown[0].part == 7
    assert len({one.heartbeat for one in told}) >= 4
    assert [one.trigger_ack for one in told].count(True) >= 1


def test_three_that_are_too_slow_are_told_as_a_fault() -> None:
    heard = line(three_parts, inspector=FakeInspector(takes_s=0.3))

    assert heard.faults == [Faulted(3)]


def test_a_camera_that_is_unplugged_is_no_decision() -> None:
    camera = FakeCamera()

    async def unplug(plc: Plc) -> None:
        await plc.trigger(1)
        camera.well = False
        await plc.trigger(2)
        await asyncio.sleep(1)
        assert plc.station.status().offline_reason is OfflineReason.CAMERA
        camera.well = True
        await asyncio.sleep(1)
        await plc.trigger(3)

    heard = line(unplug, camera=camera)

    assert heard.codes == ["OK", "acquisition", "OK"]


def test_a_camera_that_is_too_slow_is_no_decision_in_time_and_the_part_is_recorded() -> None:
    inspector = FakeInspector()
    heard = line(lambda plc: plc.trigger(1), FakeCamera(takes_s=5), inspector)

    assert heard.codes == ["acquisition"]
    assert (inspector.asked, inspector.unseen) == ([], [(1, "recipe 1")])
    due_s = heard.given_[0].part.due_s
    assert due_s - 0.01 < heard.given_[0].at_s <= due_s


def test_parts_have_no_decision_while_the_inspector_is_not_ready() -> None:
    inspector = FakeInspector()

    async def away(plc: Plc) -> None:
        inspector.is_ready = False
        await asyncio.sleep(1)
        beats = plc.station.status().heartbeat
        await plc.trigger(1)
        assert plc.station.status().heartbeat == beats
        inspector.is_ready = True
        await asyncio.sleep(1)
        await plc.trigger(2)

    assert line(away, inspector=inspector).codes == ["offline", "OK"]


@dataclass
class SilentInspector(FakeInspector):
    """Takes requests and answers none, as one does whose host hangs."""

    is_silent: bool = False

    async def ready(self) -> bool:
        if self.is_silent:
            await asyncio.Event().wait()
        return True


def test_parts_take_all_their_time_until_a_silent_server_is_noticed_within_2_3_s() -> None:
    inspector, heard = SilentInspector(), Heard()
    timing = CycleTiming(result_ms=1200, late_in_a_row=9)

    async def main() -> float:
        async with at_work(FakeCamera(), inspector, heard, timing) as plc:
            inspector.is_silent, inspector.takes_s = True, math.inf
            silent_s = asyncio.get_running_loop().time()
            for part in range(10):
                await plc.trigger(part, every_s=0.5)
            return silent_s

    silent_s = run_virtual(main())
    waits = [one.at_s - one.part.triggered_s for one in heard.given_]
    noticed = heard.codes.index("offline")
    assert heard.codes == ["deadline"] * noticed + ["offline"] * (10 - noticed)
    assert heard.given_[noticed - 1].part.triggered_s - silent_s <= 2.3
    assert waits[:noticed] == pytest.approx([1.2] * noticed)
    # Those before them are told first.
    assert waits[noticed : noticed + 2] == pytest.approx([0.7, 0.2])
    assert waits[noticed + 2 :] == pytest.approx([0.0] * (8 - noticed))


def test_a_recipe_that_nobody_knows_is_no_decision() -> None:
    async def change(plc: Plc) -> None:
        plc.say(execute_command=True, command=99)
        await asyncio.sleep(0.1)
        assert plc.station.status().command_failed
        await plc.trigger(1)

    assert line(change).codes == ["unknown_recipe"]


def test_a_view_without_a_camera_makes_a_recipe_unknown() -> None:
    inspector = FakeInspector(views=("top", "left"))

    assert line(lambda plc: plc.trigger(1), inspector=inspector).codes == ["unknown_recipe"]


def test_the_views_of_a_part_are_taken_at_once() -> None:
    inspector = FakeInspector(views=("top", "left"))
    heard = line(lambda plc: plc.trigger(1), FakeCamera(0.05), inspector, left=FakeCamera(0.04))

    assert heard.codes == ["OK"]
    (given,) = heard.given_
    assert given.at_s == pytest.approx(given.part.triggered_s + 0.07)


def test_what_is_unforeseen_in_an_inspector_is_no_decision_in_time() -> None:
    def fail(part: PartInCycle) -> PartDecision:
        raise RuntimeError("a fault of the inspector")

    heard = line(lambda plc: plc.trigger(1), inspector=FakeInspector(decide=fail))

    assert heard.codes == ["deadline"]


def test_a_picture_that_comes_when_the_part_has_gone_is_not_used() -> None:
    heard = Heard()
    inspector = FakeInspector()

    async def main() -> None:
        timing = CycleTiming(result_ms=100, picture_ms=20)
        async with at_work(FakeCamera(0.03), inspector, heard, timing=timing) as plc:
            await plc.trigger(1)

    run_virtual(main())

    assert heard.codes == ["acquisition"]
    assert heard.given_[0].at_s == pytest.approx(heard.given_[0].part.triggered_s + 0.02)
    assert inspector.asked == []


def test_a_camera_that_gives_nothing_until_the_result_is_due_is_not_taken_for_late_verdicts() -> (
    None
):
    async def three(plc: Plc) -> None:
        for part in (1, 2, 3):
            await plc.trigger(part, every_s=0.2)

    heard = line(three, FakeCamera(60))

    assert heard.codes == ["acquisition"] * 3
    assert (heard.faults, heard.late) == ([], [])


def test_a_recipe_is_asked_for_until_somebody_answers() -> None:
    inspector = FakeInspector(is_ready=False)

    async def begin(plc: Plc) -> None:
        await asyncio.sleep(10)
        assert plc.station.status().recipe == 0
        inspector.is_ready = True
        await asyncio.sleep(1)
        assert plc.station.status().recipe == 1
        await plc.trigger(1)

    assert line(begin, inspector=inspector).codes == ["OK"]


def test_the_recipe_that_was_asked_for_last_is_in_force() -> None:
    inspector = FakeInspector(is_ready=False)

    async def change(plc: Plc) -> None:
        for number in (2, 3):
            plc.say(execute_command=True, command=number)
            plc.say(execute_command=False)
            await asyncio.sleep(1)
        inspector.is_ready = True
        await asyncio.sleep(2)
        assert plc.station.status().recipe == 3

    line(change, inspector=inspector)


def test_nobody_is_asked_for_the_recipe_of_the_number_0() -> None:
    async def change(plc: Plc) -> None:
        plc.say(execute_command=True, command=0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert plc.station.status().command_failed
        await plc.trigger(1)

    assert line(change, inspector=FakeInspector(is_ready=True)).codes == ["unknown_recipe"]


def test_a_picture_is_not_used_that_a_busy_process_hears_of_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Heard()
    inspector = FakeInspector()
    acquire = Station._acquire

    async def stand_still(station: Station, recipe: StationRecipe) -> dict[str, Shot]:
        shots = await acquire(station, recipe)
        # Time goes on, and no timer is heard.
        asyncio.get_running_loop()._at_once.passed_s += 0.03  # type: ignore[attr-defined]
        return shots

    monkeypatch.setattr(Station, "_acquire", stand_still)

    async def main() -> None:
        timing = CycleTiming(result_ms=100, picture_ms=20)
        async with at_work(FakeCamera(0.01), inspector, heard, timing=timing) as plc:
            await plc.trigger(1)

    run_virtual(main())

    assert heard.codes == ["acquisition"]
    assert inspector.asked == []


AB = StationRecipe(21, "of AB", ("top",), codes=("AB-*",))
CD = StationRecipe(22, "of CD", ("top",), codes=("CD-*",))


def names(inspector: FakeInspector) -> list[str]:
    """The recipes that parts were inspected by."""
    return [recipe for _, recipe, _ in inspector.asked]


def test_a_part_is_inspected_by_the_recipe_of_its_code_and_one_without_by_the_number() -> None:
    inspector = FakeInspector(listed=(AB, CD))

    async def four(plc: Plc) -> None:
        for part, code in enumerate(["AB-1", "CD-1", "", "AB-2"], 1):
            await plc.trigger(part, code=code)

    heard = line(four, inspector=inspector)

    assert heard.codes == ["OK"] * 4
    assert names(inspector) == ["of AB", "of CD", "recipe 1", "of AB"]
    assert [one.part.recipe for one in heard.given_] == [21, 22, 1, 21]


@pytest.mark.parametrize("code", ["XY-1", "ab-1", None])
def test_a_code_of_no_recipe_is_no_decision_and_said(
    code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    inspector = FakeInspector(listed=(AB, CD))
    heard = line(lambda plc: plc.trigger(1, code=code), inspector=inspector)

    assert heard.codes == ["unknown_recipe"]
    assert inspector.asked == []
    assert "no decision on part 1: " in caplog.text


def test_where_no_recipe_has_codes_parts_go_by_the_number_whatever_their_codes_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inspector = FakeInspector(listed=(StationRecipe(1, "plain", ("top",)),))

    async def two(plc: Plc) -> None:
        await plc.trigger(1, code="AB-1")
        await plc.trigger(2, code=None)

    assert line(two, inspector=inspector).codes == ["OK", "OK"]
    assert names(inspector) == ["recipe 1"] * 2
    assert "the code of part 2 cannot be read and is left out" in caplog.text


def test_a_lot_that_cannot_be_read_is_left_out_and_the_part_is_inspected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard = line(lambda plc: plc.trigger(1, lot=None))

    assert heard.codes == ["OK"]
    assert "the lot of part 1 cannot be read and is left out" in caplog.text


def test_a_recipe_of_a_code_with_a_view_that_no_camera_takes_is_no_decision() -> None:
    inspector = FakeInspector(listed=(replace(AB, views=("top", "left")), CD))

    async def two(plc: Plc) -> None:
        await plc.trigger(1, code="AB-1")
        await plc.trigger(2, code="CD-1")

    assert line(two, inspector=inspector).codes == ["unknown_recipe", "OK"]


def test_a_change_of_codes_is_known_within_two_seconds_and_a_part_keeps_what_it_had() -> None:
    inspector = FakeInspector(takes_s=0.05, listed=(AB,))
    seen: list[StationRecipe] = []
    inspect = inspector.inspect

    async def noted(
        part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        # All recipes are others by now.
        inspector.listed = (replace(AB, name="another", revision=2),)
        await asyncio.sleep(0.02)
        seen.append(recipe)
        return await inspect(part, recipe, shots, left_s)

    inspector.inspect = noted  # type: ignore[method-assign]

    async def change(plc: Plc) -> None:
        await plc.trigger(1, code="AB-1")
        await asyncio.sleep(2)
        await plc.trigger(2, code="AB-2")

    assert line(change, inspector=inspector).codes == ["OK", "OK"]
    assert [(one.name, one.revision) for one in seen] == [("of AB", 1), ("another", 2)]


def test_recipes_are_as_they_were_while_nobody_says_them_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inspector = FakeInspector(listed=(AB,))
    recipes = inspector.recipes
    tries = 0

    async def fail() -> tuple[StationRecipe, ...]:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.sleep(60)
        if tries == 2:
            raise InspectorAwayError("nobody is there")
        if tries == 3:
            raise RuntimeError("a fault of the inspector")
        return await recipes()

    async def work(plc: Plc) -> None:
        inspector.recipes = fail  # type: ignore[method-assign]
        inspector.listed = (CD,)
        await asyncio.sleep(6)
        await plc.trigger(1, code="AB-1")
        await asyncio.sleep(6)
        await plc.trigger(2, code="AB-2")
        await plc.trigger(3, code="CD-3")

    assert line(work, inspector=inspector).codes == ["OK", "unknown_recipe", "OK"]
    assert caplog.text.count("recipes are as they were") == 1


def test_a_part_with_a_code_is_no_decision_before_anybody_has_said_which_recipes_there_are() -> (
    None
):
    inspector = FakeInspector()

    async def never() -> tuple[StationRecipe, ...]:
        raise InspectorAwayError("the list cannot be read")

    inspector.recipes = never  # type: ignore[method-assign]

    async def two(plc: Plc) -> None:
        await plc.trigger(1, code="AB-1")
        await plc.trigger(2)

    assert line(two, inspector=inspector).codes == ["unknown_recipe", "OK"]


def test_nobody_is_asked_for_recipes_within_a_part_s_cycle() -> None:
    inspector = FakeInspector(listed=(AB,))
    recipes, recipe = inspector.recipes, inspector.recipe
    asked_s: list[float] = []

    async def noted() -> tuple[StationRecipe, ...]:
        asked_s.append(asyncio.get_running_loop().time())
        return await recipes()

    async def one(number: int) -> StationRecipe | None:
        asked_s.append(asyncio.get_running_loop().time())
        return await recipe(number)

    inspector.recipes, inspector.recipe = noted, one  # type: ignore[method-assign]

    async def several(plc: Plc) -> None:
        for part in range(1, 21):
            await plc.trigger(part, code=f"AB-{part}")

    assert line(several, inspector=inspector).codes == ["OK"] * 20
    # The recipe of the start, and the list every second.
    assert len(asked_s) == 1 + 5
