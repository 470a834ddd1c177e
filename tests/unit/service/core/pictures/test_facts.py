"""Facts of a picture: each tells the change that it is there for, and little of the others."""

from functools import cache

import cv2
import numpy as np
import pytest

from takt.core.domain import FactName, Image
from takt.core.pictures.facts import (
    FACT_NAMES,
    Look,
    look_of,
    looks_without_each,
    picture_facts,
    with_answer,
)

SIZE = 256
OLD = FACT_NAMES[: FACT_NAMES.index("score") + 1]
"""Facts that a look without poses tells."""


def part(seed: int = 0, shift: int = 0) -> Image:
    """A part with an edge, a pattern and a little noise."""
    noise = np.random.default_rng(seed).normal(0, 2, (SIZE, SIZE, 3))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    pattern = 90 + 30 * np.sin((columns - shift) / 5) * np.cos(rows / 7)
    inside = (np.abs(columns - shift - 128) < 70) & (np.abs(rows - 120) < 50)
    levels = np.where(inside, pattern + 60, 60.0)[..., None] + noise
    return np.clip(levels, 0, 255).astype(np.uint8)


@cache
def look() -> Look:
    return look_of([picture_facts(part(seed), SIZE, SIZE).small for seed in range(1, 9)])


def facts(picture: Image) -> dict[FactName, float]:
    values = with_answer(picture_facts(picture, SIZE, SIZE).beside(look()), 0.5, 0.7)
    return dict(zip(FACT_NAMES, values.tolist(), strict=True))


def darker(picture: Image) -> Image:
    return (picture * 0.8).astype(np.uint8)


def blurred(picture: Image) -> Image:
    return cv2.GaussianBlur(picture, (0, 0), 3).astype(np.uint8)


def noisy(picture: Image) -> Image:
    noise = np.random.default_rng(9).normal(0, 8, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def warmer(picture: Image) -> Image:
    return np.clip(picture * np.array([1.1, 1.0, 0.9]), 0, 255).astype(np.uint8)


def burnt_out(picture: Image) -> Image:
    return np.clip(picture * 3.0, 0, 255).astype(np.uint8)


def spotted(picture: Image) -> Image:
    return cv2.circle(picture.copy(), (40, 200), 12, (20, 20, 20), -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "name", "lower"),
    [
        (darker, "brightness", True),
        (darker, "contrast", True),
        (blurred, "sharpness", True),
        (blurred, "noise", True),
        (noisy, "noise", False),
        (warmer, "warmth", False),
        (warmer, "saturation", False),
        (burnt_out, "bright", False),
        (spotted, "spot", False),
    ],
)
def test_a_change_moves_its_fact(change, name: FactName, lower: bool) -> None:
    before, after = facts(part()), facts(change(part()))
    assert (after[name] < before[name]) == lower
    spread = np.std([facts(part(seed))[name] for seed in range(20, 28)])
    assert abs(after[name] - before[name]) > 4 * spread


def test_a_dimmed_picture_is_as_sharp_as_before() -> None:
    before, after = facts(part()), facts(darker(part()))
    assert after["sharpness"] == pytest.approx(before["sharpness"], abs=0.04)


def test_a_shifted_part_tells_how_far() -> None:
    moved = facts(part(shift=8))
    assert moved["shift_x"] == pytest.approx(100 * 8 / SIZE, abs=0.6)
    assert moved["shift_y"] == pytest.approx(0, abs=0.6)


def test_another_product_is_unlike() -> None:
    assert facts(part())["likeness"] > 0.95
    assert facts(np.ascontiguousarray(part()[:, ::-1].transpose(1, 0, 2)))["likeness"] < 0.8


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_has_finite_facts(level: int) -> None:
    values = facts(np.full((SIZE, SIZE, 3), level, np.uint8))
    assert np.isfinite([values[name] for name in OLD]).all()
    assert values["likeness"] == 0.0


def test_the_answers_of_the_model_come_last() -> None:
    values = facts(part())
    assert (values["map_level"], values["score"]) == pytest.approx((0.5, 0.7))


@pytest.mark.parametrize("shape", [(64, 64), (96, 320), (448, 448), (30, 40)])
def test_any_size_has_facts(shape: tuple[int, int]) -> None:
    picture = np.ascontiguousarray(np.broadcast_to(np.uint8(100), (*shape, 3)))
    found = with_answer(picture_facts(picture, 64, 64).beside(look()), 0.0, 0.0)
    assert np.isfinite(found[: len(OLD)]).all()


def test_a_look_from_before_there_were_poses_tells_the_shift_alone() -> None:
    values = facts(part(0, shift=10))
    assert values["shift_x"] == pytest.approx(100 * 10 / SIZE, abs=0.5)
    assert np.isnan([values[name] for name in FACT_NAMES[len(OLD) :]]).all()


def test_levels_as_floats_have_the_facts_of_their_bytes() -> None:
    whole, floats = picture_facts(part(), 4, 3), picture_facts(part().astype(np.float32), 4, 3)
    assert whole.own == floats.own
    np.testing.assert_array_equal(whole.small, floats.small)


def test_a_comparison_leaves_the_look_as_it_was() -> None:
    kept, one = look(), picture_facts(part(), SIZE, SIZE)
    before, small = kept.mean.copy(), one.small.copy()
    first = one.beside(kept)
    np.testing.assert_array_equal(first, one.beside(kept))
    np.testing.assert_array_equal(kept.mean, before)
    np.testing.assert_array_equal(one.small, small)


def test_a_picture_is_left_out_of_what_it_is_compared_with() -> None:
    smalls = [picture_facts(part(seed), SIZE, SIZE).small for seed in range(4)]
    for at, without in enumerate(looks_without_each(smalls)):
        rest = look_of(smalls[:at] + smalls[at + 1 :])
        np.testing.assert_allclose(without.mean, rest.mean, atol=1e-3)
        np.testing.assert_allclose(without.spread, rest.spread, atol=1e-2)


def test_a_covered_half_takes_the_texture_and_a_missing_eighth_does_not() -> None:
    grain = np.random.default_rng(1).normal(120, 20, (64, 64, 1)).astype(np.float32)
    cloth = cv2.resize(grain, (SIZE, SIZE)).clip(0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    covered, torn = cloth.copy(), cloth.copy()
    covered[:, SIZE // 2 :] = 128
    torn[:, : SIZE // 8] = 60
    usual = facts(cloth)["texture"]
    assert facts(covered)["texture"] < usual - 2
    assert abs(facts(torn)["texture"] - usual) < 0.5
