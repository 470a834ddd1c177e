from __future__ import annotations

import pytest

from takt_station.cycle.machine import CycleTiming
from takt_station.plant.faults import random_faults
from takt_station.plant.virtual import VirtualPlant, play
from takt_station.plant.virtual_plc import VirtualPlc

TIMING = CycleTiming(result_ms=90)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The scans, as they are made."""
    scans: list[int] = []
    next_scan = VirtualPlc._next_scan

    def count(plc: VirtualPlc, scan: int, due_s: float) -> int:
        scans.append(scan)
        return next_scan(plc, scan, due_s)

    monkeypatch.setattr(VirtualPlc, "_next_scan", count)
    return scans


def make_every_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VirtualPlc, "_next_scan", lambda _, scan, due_s: scan + 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_that_is_left_out_would_have_changed_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = VirtualPlant(TIMING, every_s=0.3, parts=100, seed=seed, misread=0.1)
    faults = random_faults(seed, 40, 2)
    with_some_left_out = play(plant, faults)
    make_every_scan(monkeypatch)

    # By their text, as a score of nothing is not equal to itself.
    assert repr(play(plant, faults)) == repr(with_some_left_out)


def test_most_scans_of_a_plant_in_which_little_happens_are_left_out(counted: list[int]) -> None:
    play(VirtualPlant(TIMING, every_s=2.0, parts=20))

    assert len(counted) < (5 + 20 * 2.0) / 0.01 / 4


def test_scans_of_a_plant_in_which_something_happens_are_a_scan_time_apart(
    counted: list[int],
) -> None:
    play(VirtualPlant(TIMING, parts=20))

    during_a_part = [scan for scan in counted if 520 <= scan < 530]
    assert {520, 521, 522} <= {*during_a_part}
