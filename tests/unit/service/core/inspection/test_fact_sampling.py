"""Whose facts are told: all of a line's pictures, and a fair sample of more."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.domain import InspectOptions
from takt.core.inspection.fact_sampling import MOST_AT_ONCE, TOLD_PER_S, FactSampling
from takt.core.pictures.facts import BLOCKS, Look
from takt.core.pictures.pose import SIDE

LOOK = Look(np.zeros((SIDE, SIDE), np.float32), np.ones((BLOCKS, BLOCKS), np.float32))
OPTIONS = InspectOptions(timeout_s=1.0)


class Line:
    """Pictures that come at an even pace."""

    def __init__(self, *, undecided: bool = False, kept: bool = True) -> None:
        self.now_s = 0.0
        in_force = SimpleNamespace(in_force=SimpleNamespace(undecided=undecided))
        self._sampling = FactSampling(
            LOOK,
            cast(DeployedThresholds, in_force),
            lambda: self.now_s,
            random.Random(1).random,
            kept=kept,
        )

    def told(self, pictures: int, per_s: float, options: InspectOptions = OPTIONS) -> list[int]:
        """Those of so many pictures whose facts are told."""
        found = []
        for number in range(pictures):
            self.now_s += 1 / per_s
            if self._sampling.look_for(options) is not None:
                found.append(number)
        return found


def test_each_picture_of_a_line_has_its_facts_told() -> None:
    assert len(Line().told(5000, TOLD_PER_S)) == 5000


def test_pictures_that_come_at_once_have_their_facts_told_up_to_a_bound() -> None:
    told = Line().told(1000, per_s=1e9)
    assert told == list(range(len(told)))
    assert len(told) in (MOST_AT_ONCE - 1, MOST_AT_ONCE)


def test_of_more_pictures_a_sample_is_told_at_the_pace_of_a_line() -> None:
    line = Line()
    line.told(1000, per_s=1e9)
    assert len(line.told(10_000, per_s=500)) == pytest.approx(10_000 / 500 * TOLD_PER_S, abs=3)


@pytest.mark.parametrize("stations", [2, 3, 5])
def test_no_station_of_several_that_take_turns_is_left_out(stations: int) -> None:
    line = Line()
    line.told(1000, per_s=1e9)
    told = line.told(6000, per_s=2 * TOLD_PER_S)
    counts = np.bincount([number % stations for number in told], minlength=stations)
    assert counts.min() > 0.6 * counts.mean()


@pytest.mark.parametrize(("in_force", "asked"), [(True, None), (False, True)])
def test_where_a_picture_may_be_undecided_each_has_its_facts_told(
    in_force: bool, asked: bool | None
) -> None:
    line = Line(undecided=in_force)
    assert len(line.told(1000, 1e9, InspectOptions(timeout_s=1.0, undecided=asked))) == 1000


def test_a_request_that_wants_no_third_verdict_is_sampled_as_any_other() -> None:
    line = Line(undecided=True)
    told = line.told(1000, 1e9, InspectOptions(timeout_s=1.0, undecided=False))
    assert len(told) <= MOST_AT_ONCE


def test_where_nobody_keeps_facts_only_those_that_a_verdict_needs_are_told() -> None:
    line = Line(kept=False)
    assert line.told(100, TOLD_PER_S) == []
    assert len(line.told(100, TOLD_PER_S, InspectOptions(timeout_s=1.0, undecided=True))) == 100
