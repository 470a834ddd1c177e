"""Moved copies: the same for the same number, within the limits, and real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from takt_models.fit.patchcore import moving
from takt_models.fit.patchcore.moving import Movement

RAMP = np.tile(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (60, 1, 3))


def test_no_movement_changes_nothing() -> None:
    assert np.array_equal(Movement().of(RAMP), RAMP)


def test_a_picture_has_the_same_copy_each_time_and_others_have_other_ones() -> None:
    first = Movement.drawn(3).of(RAMP)
    assert np.array_equal(first, Movement.drawn(3).of(RAMP))
    assert not np.array_equal(first, Movement.drawn(4).of(RAMP))


def test_copies_stay_within_the_limits_and_use_most_of_them() -> None:
    drawn = [Movement.drawn(number) for number in range(300)]
    for values, most in (
        ([one.shift_x for one in drawn], moving.SHIFT),
        ([one.shift_y for one in drawn], moving.SHIFT),
        ([one.degrees for one in drawn], moving.DEGREES),
        ([one.scale - 1 for one in drawn], moving.SCALE),
        ([one.gain - 1 for one in drawn], moving.GAIN),
        ([np.log(one.gamma) for one in drawn], moving.GAMMA),
        ([one.gradient for one in drawn], moving.GRADIENT),
    ):
        assert -most <= min(values) < -0.9 * most
        assert 0.9 * most < max(values) <= most
    assert 0 <= min(one.noise for one in drawn) < max(one.noise for one in drawn) <= moving.NOISE


def test_content_goes_to_the_right_and_down_and_what_comes_in_is_mirrored() -> None:
    moved = Movement(shift_x=0.05).of(RAMP)
    assert np.array_equal(moved[:, 5:], RAMP[:, :-5])
    assert np.array_equal(moved[:, :5], RAMP[:, 5:0:-1])
    rows = RAMP.transpose(1, 0, 2)
    down = Movement(shift_y=0.05).of(np.ascontiguousarray(rows))
    assert np.array_equal(down[5:], rows[:-5])


def test_light_is_multiplied_bent_and_rises_across() -> None:
    grey = np.full((20, 40, 3), 100, np.uint8)
    assert Movement(gain=1.1).of(grey).max() == 110
    assert Movement(gamma=1.2).of(grey).max() == round(255 * (100 / 255) ** 1.2)
    across = Movement(gradient=0.1).of(grey)
    assert (across[0, 0, 0], across[0, -1, 0]) == (90, 110)
    assert Movement(gain=3.0).of(grey).max() == 255


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_that_of_a_gray_camera(seed: int) -> None:
    grey = np.full((100, 100, 3), 100, np.uint8)
    noisy = Movement(noise=1.5, seed=seed).of(grey)
    assert (noisy == noisy[..., :1]).all()
    assert float(noisy[..., 0].std()) == pytest.approx(1.5, rel=0.1)


def test_what_is_mirrored_in_is_not_shown_and_all_else_is() -> None:
    shown = Movement(shift_x=0.1, shift_y=-0.05).shown(100, 60)
    assert shown.shape == (60, 100)
    assert not shown[:, :10].any()
    assert not shown[57:].any()
    assert shown[:57, 10:].all()
    assert Movement(gain=1.2).shown(100, 60).all()
