"""FactLimits of a picture's facts: beyond them it cannot be judged."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.domain import FactName, FactVector
from takt.core.pictures.facts import FACT_NAMES
from takt.core.pictures.judgeable import DECIDERS, MARGIN, FactLimits

GOOD: dict[FactName, float] = {
    "brightness": 120,
    "contrast": 30,
    "sharpness": -1,
    "noise": 0.5,
    "saturation": 40,
    "warmth": 5,
    "tint": 0,
    "dark": 1,
    "bright": 1,
    "shift_x": 0,
    "shift_y": 0,
    "likeness": 0.9,
    "spot": 2,
    "texture": 1.5,
    "aspect": 1.5,
    "map_level": 0.2,
    "score": 0.3,
    "turn": 0,
    "size": 0,
    "match": 0.95,
}


def picture(**facts: float) -> FactVector:
    return np.array([facts.get(name, GOOD[name]) for name in FACT_NAMES], np.float32)


def table(count: int = 50, **spreads: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    jitter = rng.normal(0, 1, (count, len(FACT_NAMES)))
    units = np.array([spreads.get(name, 0.01) for name in FACT_NAMES])
    return (picture() + jitter * units).astype(np.float32)


LIMITS = FactLimits.beyond(table(), MARGIN)


def test_a_picture_like_the_good_ones_is_judged() -> None:
    assert LIMITS.reason(picture()) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("brightness", 3, "too dark"),
        ("brightness", 252, "too bright"),
        ("contrast", 2, "too even"),
        ("sharpness", -3, "too blurred"),
        ("dark", 50, "black in too many places"),
        ("bright", 60, "burnt out in too many places"),
        ("likeness", 0.1, "unlike good parts"),
        ("texture", -1.4, "covered or empty"),
    ],
)
def test_a_fact_far_beyond_the_calibration_is_the_reason(
    name: FactName, value: float, said: str
) -> None:
    reason = LIMITS.reason(picture(**{name: value}))
    assert reason is not None
    assert (reason.fact, reason.value) == (name, pytest.approx(value))
    assert said in reason.text
    assert value < reason.low or (reason.high is not None and value > reason.high)


def test_of_several_reasons_the_farthest_beyond_is_told() -> None:
    reason = LIMITS.reason(picture(saturation=80, warmth=60, contrast=2))
    assert reason is not None
    assert reason.fact == "contrast"


def test_the_light_is_told_first_as_it_moves_the_other_facts() -> None:
    reason = LIMITS.reason(picture(brightness=3, contrast=1, texture=-1.4, dark=90))
    assert reason is not None
    assert reason.fact == "brightness"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("shift_x", 7, "the part lies 7 % to the right"),
        ("shift_x", -7, "the part lies 7 % to the left"),
        ("shift_y", 7, "the part lies 7 % too low"),
        ("shift_y", -7, "the part lies 7 % too high"),
        ("turn", 8, "the part is turned by 8° against the clock"),
        ("turn", -8, "the part is turned by 8° clockwise"),
        ("size", 9, "the part is 9 % larger"),
        ("size", -9, "the part is 9 % smaller"),
    ],
)
def test_a_part_that_lies_elsewhere_for_sure_is_the_reason(
    name: FactName, value: float, said: str
) -> None:
    reason = LIMITS.reason(picture(likeness=0.1, **{name: value}))
    assert reason is not None
    assert reason.fact == name
    assert reason.text.startswith(said)


def test_what_matches_no_good_part_wherever_it_is_moved_has_no_place() -> None:
    reason = LIMITS.reason(picture(shift_x=20, likeness=0.1, match=0.5))
    assert reason is not None
    assert reason.fact == "likeness"


def test_a_part_that_matches_no_better_elsewhere_lies_where_it_should() -> None:
    assert LIMITS.reason(picture(shift_x=20, likeness=0.97, match=0.96)) is None


def test_the_light_is_told_before_the_place() -> None:
    reason = LIMITS.reason(picture(brightness=3, shift_x=7))
    assert reason is not None
    assert reason.fact == "brightness"


def test_good_pictures_whose_match_is_unknown_let_no_place_decide() -> None:
    unknown = table()
    unknown[:, FACT_NAMES.index("match")] = np.nan
    assert FactLimits.beyond(unknown, MARGIN).reason(picture(shift_x=20)) is None


@pytest.mark.parametrize("name", sorted(set(FACT_NAMES) - set(DECIDERS)))
def test_what_a_defect_raises_never_decides(name: FactName) -> None:
    assert LIMITS.reason(picture(**{name: 1e6})) is None


@pytest.mark.parametrize("name", sorted(DECIDERS))
def test_a_fact_that_is_not_known_never_decides(name: FactName) -> None:
    assert LIMITS.reason(picture(**{name: math.nan})) is None
    unknown = table()
    unknown[:, FACT_NAMES.index(name)] = np.nan
    assert FactLimits.beyond(unknown, MARGIN).reason(picture(**{name: 1e3})) is None


def test_a_fact_that_differs_among_good_parts_may_differ_by_as_much_again() -> None:
    steady, various = LIMITS, FactLimits.beyond(table(noise=1.0), MARGIN)
    noisy = picture(noise=4)
    assert steady.reason(noisy) is not None
    assert various.reason(noisy) is None


def test_a_picture_more_like_the_mean_one_than_any_is_judged() -> None:
    assert LIMITS.reason(picture(likeness=1.0)) is None


def test_what_a_model_bears_of_moved_good_pictures_is_judged() -> None:
    dim = picture(brightness=GOOD["brightness"] - 80)
    assert LIMITS.reason(dim) is not None
    borne = FactLimits.beyond(table(), MARGIN, dim[np.newaxis])
    assert borne.reason(dim) is None
    assert borne.reason(picture(brightness=5)) is not None
    # Facts that no movement has changed are held as before.
    noisy = picture(noise=40)
    assert LIMITS.reason(noisy) == borne.reason(noisy)
    assert LIMITS.reason(noisy) is not None
