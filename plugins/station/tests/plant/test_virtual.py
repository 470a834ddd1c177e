from __future__ import annotations

import asyncio
import random
import time
from itertools import combinations

import pytest

from takt.sources.pacing import Shot
from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import StationRecipe
from takt_station.plant import virtual
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import Fault, FaultKind, random_faults
from takt_station.plant.program import PlcTiming
from takt_station.plant.virtual import PlantOutcome, VirtualPlant, play
from takt_station.recipe_list import NoneNamed, RecipeList

TIMING = CycleTiming(result_ms=90)


def good_parts(plant: VirtualPlant, first: int = 1) -> set[int]:
    conveyor = Conveyor(0.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
    return {part for part in range(first, plant.parts + 1) if not conveyor.has_defect(part)}


def recovered(plant: VirtualPlant, outcome: PlantOutcome) -> bool:
    """Whether every good part of the last five seconds has passed."""
    last = good_parts(plant, first=plant.parts - 50)
    return last <= outcome.passed


def test_every_part_has_its_own_result_in_time_and_the_good_ones_pass() -> None:
    plant = VirtualPlant(TIMING, parts=300)
    outcome = play(plant)

    assert outcome.broken == []
    assert [one.part.part for one in outcome.given] == list(range(1, 301))
    assert outcome.passed == good_parts(plant)
    assert outcome.times_ms().max() <= 90


def test_the_same_seed_plays_the_same() -> None:
    plant = VirtualPlant(TIMING, parts=100, seed=5)
    faults = random_faults(5, 15, 3)

    one, other = play(plant, faults), play(plant, faults)

    assert [(a.part, a.decision.code, a.at_s) for a in one.given] == [
        (b.part, b.decision.code, b.at_s) for b in other.given
    ]
    assert one.passed == other.passed


def test_at_twice_the_capacity_parts_have_no_decision_in_time_and_never_a_wrong_one() -> None:
    # Two at a time, 0.5 s each on average, for ten parts a second.
    plant = VirtualPlant(
        CycleTiming(result_ms=800, most_inspected=8, late_in_a_row=1000),
        parts=300,
        gate_s=0.95,
        inspected_s=0.4,
    )
    outcome = play(plant)

    assert outcome.broken == []
    assert len(outcome.given) == 300
    assert outcome.times_ms().max() <= 800.001
    assert 30 < outcome.count(ResultCode.NO_DECISION) < 270
    assert outcome.passed <= good_parts(plant)


@pytest.mark.parametrize("kind", FaultKind)
def test_after_a_fault_the_line_goes_on_and_no_part_has_another_ones_result(
    kind: FaultKind,
) -> None:
    plant = VirtualPlant(TIMING, parts=200)
    outcome = play(plant, [Fault(kind, 8.0, 3.0)])

    assert outcome.broken == []
    assert recovered(plant, outcome)


def test_a_clock_of_the_day_that_goes_wrong_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant, faults = VirtualPlant(TIMING, parts=100), random_faults(5, 15, 3)
    right = play(plant, faults)
    hours = random.Random(1)
    true_s, true_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: true_s() + 3600 * hours.randint(-500, 500))
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + 10**9 * hours.randint(-500, 500))
    wrong = play(plant, faults)

    assert wrong.broken == []
    assert [(a.part, a.decision.code, a.at_s) for a in right.given] == [
        (b.part, b.decision.code, b.at_s) for b in wrong.given
    ]
    assert right.passed == wrong.passed


def test_the_gate_rejects_within_two_heartbeats_of_a_network_that_is_cut() -> None:
    plant = VirtualPlant(TIMING, parts=200)
    outcome = play(plant, [Fault(FaultKind.NETWORK_CUT, 10.0, 5.0)])

    conveyor = Conveyor(5.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
    silent = {
        part
        for part in range(1, 201)
        if 10.0 + 2 * TIMING.heartbeat_ms / 1000 + plant.scan_s < conveyor.gate_at_s(part) < 15.0
    }
    assert len(silent) > 30
    assert not silent & outcome.passed


def test_a_plc_that_begins_anew_clears_the_fault_that_it_finds_and_the_line_goes_on() -> None:
    plant = VirtualPlant(TIMING, parts=200)
    ends_s = 15.5
    # The station is at fault before the PLC is gone.
    slow = Fault(FaultKind.SERVER_SLOW, 10.5, 3.5)
    outcome = play(plant, [slow, Fault(FaultKind.PLC_KILLED, 11.5, ends_s - 11.5)])

    conveyor = Conveyor(5.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
    triggered_s = {part: conveyor.triggered_s(part) for part in good_parts(plant)}
    cleared_s = ends_s + PlcTiming(TIMING.heartbeat_ms / 1000).clear_s
    at_fault = {part for part, at_s in triggered_s.items() if ends_s < at_s < cleared_s}
    afterwards = {part for part, at_s in triggered_s.items() if at_s > cleared_s + 3 * plant.scan_s}
    assert outcome.broken == []
    assert at_fault
    assert not at_fault & outcome.passed
    assert afterwards <= outcome.passed


def test_a_server_that_is_gone_is_no_decision_and_no_wait() -> None:
    outcome = play(VirtualPlant(TIMING, parts=200), [Fault(FaultKind.SERVER_GONE, 10.0, 4.0)])

    reasons = {one.decision.reason for one in outcome.given}
    assert reasons == {None, NoDecisionReason.OFFLINE} or reasons == {
        None,
        NoDecisionReason.OFFLINE,
        NoDecisionReason.UNREACHABLE,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [*combinations(FaultKind, 2)])
def test_no_pair_of_faults_gives_a_part_another_ones_result(
    one: FaultKind, other: FaultKind
) -> None:
    for seed in range(4):
        plant = VirtualPlant(TIMING, parts=200, seed=seed)
        outcome = play(plant, [Fault(one, 8.0, 3.0), Fault(other, 9.0 + seed / 2, 3.0)])
        assert outcome.broken == []
        assert recovered(plant, outcome)


def test_parts_of_two_kinds_follow_each_other_and_each_is_judged_by_the_recipe_of_its_code() -> (
    None
):
    plant = VirtualPlant(TIMING, parts=100, seed=1)
    outcome = play(plant)

    assert outcome.broken == []
    conveyor = Conveyor(5.0, plant.every_s, plant.gate_s, plant.parts, plant.seed)
    assert {one.part.part: one.part.recipe for one in outcome.given} == {
        part: 1 + conveyor.kind(part) for part in range(1, 101)
    }
    assert {*map(frozenset, outcome.recipes.values())} == {frozenset({"plate"}), frozenset({"lid"})}


def test_a_part_whose_code_is_misread_has_no_decision_and_the_next_one_has_its_own() -> None:
    plant = VirtualPlant(TIMING, parts=200, seed=1, misread=0.2)
    outcome = play(plant)

    misread = {part for part in range(1, 201) if plant.misreads(part)}
    assert 20 < len(misread) < 60
    assert outcome.broken == []
    assert outcome.passed == good_parts(plant) - misread
    reasons = {one.part.part: one.decision.reason for one in outcome.given}
    assert {part for part, reason in reasons.items() if reason} == misread
    assert {reasons[part] for part in misread} == {NoDecisionReason.RECIPE}


def test_a_part_that_is_judged_by_the_recipe_of_another_one_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = RecipeList._found

    def slow(known: RecipeList, code: str | None) -> StationRecipe | NoneNamed | None:
        # It takes the recipe of the part before it.
        latest = known._latest[1]
        return latest or found(known, code)

    monkeypatch.setattr(RecipeList, "_found", slow)

    broken = play(VirtualPlant(TIMING, parts=100)).broken
    assert any("was judged by the recipe" in one for one in broken)


@pytest.mark.parametrize("seed", range(3))
def test_random_faults_break_no_promise(seed: int) -> None:
    plant = VirtualPlant(TIMING, parts=200, seed=seed, misread=0.1)

    assert play(plant, random_faults(seed, 25, 2)).broken == []


def test_a_picture_of_another_part_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def acquire(camera: virtual._Camera) -> Shot:
        # It looks too late: the next part is there.
        await asyncio.sleep(0.01)
        part = camera._playing.conveyor.at_camera(asyncio.get_running_loop().time() + 0.1) or 0
        return Shot(str(part), 0, b"")

    monkeypatch.setattr(virtual._Camera, "acquire", acquire)

    broken = play(VirtualPlant(TIMING, parts=100)).broken
    assert any("by the picture of" in one for one in broken)
    assert any("with a defect" in one for one in broken)
