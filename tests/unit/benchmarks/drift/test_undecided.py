"""What is spoilt for the benchmark of undecided pictures, and which margin its rule chooses."""

from typing import cast

import numpy as np

from benchmarks.drift.undecided import SIDE, chosen_margin, covered, shifted
from takt.core.domain import Image


def picture() -> Image:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return cast(Image, noise)


def test_each_half_is_covered_in_turn_and_the_other_stays() -> None:
    whole = picture()
    for number in range(4):
        same = (covered(whole, 0, number) == whole).all(-1)
        assert 0.49 < same.mean() < 0.51
    assert (covered(whole, 0, 0) == covered(whole, 0, 4)).all()


def test_a_shifted_picture_has_its_middle_elsewhere() -> None:
    by = round(0.15 * SIDE)
    assert (shifted(picture(), 0)[100 + by, 100 + by] == picture()[100, 100]).all()


def test_the_least_margin_that_keeps_all_sets_but_one_is_chosen() -> None:
    def shares(defects: float, good: float = 0.0) -> dict[str, float]:
        return {"defects": defects, "good": good}

    by_margin = {
        3.0: {"bottle": shares(0.005), "toys": shares(0.3)},
        4.0: {"bottle": shares(0.0, good=0.03), "toys": shares(0.01)},
        5.0: {"bottle": shares(0.0), "toys": shares(0.0)},
    }
    assert chosen_margin(by_margin, "toys") == 3.0
    assert chosen_margin(by_margin, "bottle") == 4.0
    assert chosen_margin(by_margin, "none of them") == 5.0
