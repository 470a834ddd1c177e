from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from takt_export.calibration.two_groups import two_groups

Draw = Callable[[np.random.Generator], np.ndarray]


def names_of(scores: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{score:g}.png" for score in scores)


def test_a_second_kind_of_part_is_a_group_whose_highest_come_first() -> None:
    draw = np.random.default_rng(1)
    scores = np.concatenate([draw.normal(0, 1, 80), draw.normal(9, 1, 20)]).astype(np.float32)
    draw.shuffle(scores)

    found = two_groups(scores, names_of(scores))

    assert found is not None
    assert (found.low, found.high) == (80, 20)
    assert found.low_mean == pytest.approx(0, abs=0.5)
    assert found.high_mean == pytest.approx(9, abs=0.5)
    assert found.names == names_of(np.sort(scores)[::-1][:20])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=200),
        lambda rng: rng.exponential(size=200),
        lambda rng: rng.gumbel(size=200),
        lambda rng: rng.uniform(size=200),
    ],
    ids=["normal", "exponential", "gumbel", "uniform"],
)
def test_one_kind_of_part_is_no_two_groups(draw: Draw) -> None:
    told = 0
    for seed in range(200):
        scores = draw(np.random.default_rng(seed)).astype(np.float32)
        told += two_groups(scores, [""] * len(scores)) is not None
    assert told == 0


def test_a_few_odd_pictures_are_no_group() -> None:
    scores = np.concatenate([np.linspace(0, 1, 95), np.full(5, 50)]).astype(np.float32)
    found = two_groups(scores, [""] * 100)
    assert found is None


def test_scores_that_are_few_all_alike_or_not_finite_are_no_two_groups() -> None:
    few = np.concatenate([np.zeros(20), np.ones(20)]).astype(np.float32)
    assert two_groups(few, [""] * 40) is None
    assert two_groups(np.ones(100, np.float32), [""] * 100) is None
    broken = np.full(100, np.nan, np.float32)
    assert two_groups(broken, [""] * 100) is None
