"""The drawn part -> the same for a seed, and with its defect where it should be."""

from __future__ import annotations

import numpy as np
import pytest

from takt.commands.demo.part import DEFECTS, HEIGHT, TRUTHS, WIDTH, Defect, draw


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_seed_always_draws_the_same_part(truth) -> None:
    first, again = draw(3, truth), draw(3, truth)

    assert first.shape == (HEIGHT, WIDTH, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)


def test_good_parts_differ_a_little() -> None:
    first, second = (draw(seed).astype(float) for seed in (1, 2))

    assert 1 < np.abs(first - second).mean() < 20


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_person_sees_each_defect(defect: Defect) -> None:
    """It differs clearly from every good part in some place, where good parts are alike."""
    good = np.stack([draw(seed).astype(float).mean(axis=-1) for seed in range(20)])
    for seed in range(5):
        beyond = np.maximum(good.min(axis=0) - (part := draw(seed, defect).mean(axis=-1)), 0)
        beyond += np.maximum(part - good.max(axis=0), 0)
        assert (beyond > 12).sum() > 20
