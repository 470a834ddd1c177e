"""Where a part lies: told by good pictures, however far it is moved."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from takt.core.bundles.bundle import Calibration
from takt.core.pictures.facts import FACT_NAMES, look_of
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.pose import SIDE, Gray, Laid, Pose, laid_upon
from takt_export.calibration.poses import TaughtPoses, taught_poses

COUNT = 24
ASPECT = 0.6


def picture(number: int, pose: Pose | None = None) -> Gray:
    """A bright part with two holes on a dark ground, and a little noise."""
    ground = np.full((4 * SIDE, 4 * SIDE), 40, np.float32)
    cv2.rectangle(ground, (70, 90), (190, 170), 170.0, -1)
    cv2.circle(ground, (100, 120), 16, 40.0, -1)
    cv2.circle(ground, (165, 110), 10, 40.0, -1)
    moved = (pose or Pose()).moved(ground, ASPECT)
    small = cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(number).normal(0, 2, small.shape)
    return np.asarray(small + noise, np.float32)


@cache
def taught() -> TaughtPoses:
    return taught_poses([picture(number) for number in range(COUNT)], ASPECT)


def laid(gray: Gray) -> Laid:
    mean = look_of([picture(number) for number in range(COUNT)]).mean
    return laid_upon(mean, gray, taught().all)


@pytest.mark.parametrize(
    "pose",
    [
        Pose(),
        Pose(shift_x=0.03),
        Pose(shift_y=-0.05),
        Pose(shift_x=-0.15, shift_y=0.1),
        Pose(turn=4),
        Pose(turn=-8),
        Pose(size=0.05),
        Pose(size=-0.08),
        Pose(shift_x=0.04, shift_y=0.02, turn=3, size=-0.03),
    ],
)
def test_it_tells_how_an_unseen_part_lies(pose: Pose) -> None:
    found = laid(picture(1000, pose))
    told, true = found.pose, pose
    assert (told.shift_x, told.shift_y) == pytest.approx((true.shift_x, true.shift_y), abs=0.01)
    assert told.turn == pytest.approx(true.turn, abs=0.7)
    assert told.size == pytest.approx(true.size, abs=0.015)
    assert found.match > 0.95


def test_a_part_of_which_half_is_missing_matches_nowhere() -> None:
    half = picture(1000)
    half[:, 32:] = 40
    assert laid(half).match < 0.9


def test_a_picture_without_a_contrast_has_a_place_and_no_match() -> None:
    even = laid(np.full((SIDE, SIDE), 90, np.float32))
    assert even.match == 0
    assert np.isfinite([even.pose.shift_x, even.pose.turn, even.pose.size]).all()


def test_good_pictures_without_a_contrast_teach_nothing() -> None:
    even = [np.full((SIDE, SIDE), 90, np.float32)] * COUNT
    assert not taught_poses(even, 1.0).all.weights.any()


def test_each_good_picture_is_told_by_a_map_that_has_not_seen_it() -> None:
    grays = [picture(number) for number in range(COUNT)]
    former = taught().unseen[0]
    grays[0] = picture(0, Pose(shift_x=0.04))
    np.testing.assert_array_equal(taught_poses(grays, ASPECT).unseen[0].weights, former.weights)


def test_a_bundle_keeps_how_places_are_told() -> None:
    none = np.zeros(0, np.float32)
    look = look_of([picture(number) for number in range(COUNT)])
    table = np.zeros((COUNT, len(FACT_NAMES)), np.float32)
    facts = GoodFacts(table, type(look)(look.mean, look.spread, taught().all))
    again = GoodFacts.of(facts.put_into(Calibration(none, none, none, none)))
    assert again is not None
    assert again.look.poses is not None
    np.testing.assert_array_equal(again.look.poses.weights, taught().all.weights)
    assert again.look.poses.aspect == pytest.approx(ASPECT)
