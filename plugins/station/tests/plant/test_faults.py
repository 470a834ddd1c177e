from __future__ import annotations

import math

import numpy as np
import pytest

from takt_station.plant.faults import Fault, FaultKind, FaultPlan, PlcFaults, random_faults


def test_a_plan_says_of_each_kind_whether_one_of_its_faults_goes_on() -> None:
    faults = random_faults(3, until_s=300, every_s=2)
    plan = FaultPlan(faults)

    for now_s in np.arange(0, 310, 0.05):
        for kind in FaultKind:
            goes_on = any(one.kind is kind and one.holds(now_s) for one in faults)
            assert plan.holds(kind, now_s) == goes_on


def test_a_short_fault_within_a_long_one_of_its_kind_does_not_end_it() -> None:
    gone = FaultKind.SERVER_GONE
    plan = FaultPlan([Fault(gone, 1.0, 9.0), Fault(gone, 2.0, 1.0)])

    assert plan.holds(gone, 5.0)
    assert not plan.holds(gone, 10.0)


def test_a_plan_knows_what_begins_or_ends_next() -> None:
    cut, gone = Fault(FaultKind.NETWORK_CUT, 1.0, 4.0), Fault(FaultKind.SERVER_GONE, 2.0, 1.0)
    plan = FaultPlan([gone, cut])

    assert [plan.next_change_s(now_s) for now_s in (0.0, 1.0, 2.5, 3.0)] == [1.0, 2.0, 3.0, 5.0]
    assert plan.next_change_s(5.0) == math.inf


@pytest.mark.parametrize("kind", FaultKind)
def test_each_scan_counts_while_it_is_drawn_whether_a_fault_hits_it(kind: FaultKind) -> None:
    faults = PlcFaults(lambda one: one is kind, np.random.default_rng(0))

    assert faults.are_drawn == (kind in (FaultKind.LOST_TRIGGER, FaultKind.DOUBLE_TRIGGER))
