from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.false_rejects import ALPHAS, Rates, rows_of_all, rows_of_set
from benchmarks.splits import (
    Kept,
    KnownSet,
    Split,
    Task,
    fit_and_judge,
    known_set,
)
from takt_models.checkpoints.facts import InputRecipe
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore
from tests.real_pictures import real_pictures

SHAPES = ((40, 2, 4), (112, 1, 2))
"""Channels and grid of each layer for a picture of 32 x 16."""

CONFIG = PatchCoreConfig((1, 1), 32, 16)
TASK = Task(Path("made-up"), bank_size=100)


def known(good: int, defects: int) -> KnownSet:
    """Noise; that of defects is wider."""
    draw = np.random.default_rng(0)
    width = np.repeat([1.0, 3.0], [good, defects])[:, None, None, None]
    drawn = (width * draw.standard_normal((good + defects, *shape)) for shape in SHAPES)
    layers = tuple(layer.astype(np.float16) for layer in drawn)
    weights = a_patchcore(CONFIG).encoder.state_dict()
    encoder = PatchCoreEncoder("random", CONFIG, InputRecipe(32, 16, "area"), weights)
    # Moved copies like the pictures themselves.
    return KnownSet(encoder, layers, layers, good)


def split(number: int, rejected: int = 2) -> Split:
    """Of a hundred judged pictures as many are rejected; all defects are found."""
    good = np.linspace(0, 1, 200).tolist()
    judged = [0.5] * (100 - rejected) + [9.0] * rejected
    return Split(number, [good, good], [judged, judged], [[9.0] * 5] * 2, 0.1)


@pytest.mark.parametrize(("good", "fitted"), [(900, 200), (300, 200), (220, 120), (58, 29)])
def test_few_pictures_leave_a_hundred_or_half_of_them_to_be_judged(good: int, fitted: int) -> None:
    encoder = known(1, 0).encoder
    assert KnownSet(encoder, (), (), good).fitted == fitted


def test_a_split_judges_good_pictures_that_its_fit_has_not_seen_and_some_defects() -> None:
    made_up = known(140, 50)

    found = fit_and_judge(made_up, TASK, number=3)

    assert [len(both[0]) for both in (found.good, found.judged, found.defects)] == [70, 70, 25]
    assert all(len(both) == 2 for both in (found.good, found.judged, found.defects))
    rejected, seen = found.rates(0.05)
    assert rejected < 0.3
    assert seen == 1
    # The same number gives the same split, and another one another.
    assert fit_and_judge(made_up, TASK, number=3).good == found.good
    assert fit_and_judge(made_up, TASK, number=4).good != found.good


def test_over_the_splits_each_defect_is_judged_as_often_as_the_others() -> None:
    made_up = known(20, 50)
    scores = [
        score for number in (6, 7) for score in fit_and_judge(made_up, TASK, number).defects[0]
    ]
    assert len(scores) == len(set(scores)) == 50


def test_splits_are_kept_and_a_line_that_was_cut_off_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "set.jsonl"
    kept = Kept(path)
    for number in (0, 2):
        kept.add(split(number))
    path.write_text(path.read_text() + '{"number": 1, "good": [[0.')

    again = Kept(path)

    assert again.missing(4) == [1, 3]
    assert again.splits(4) == [split(0), split(2)]
    assert again.splits(1) == [split(0)]
    again.add(split(1))
    assert Kept(path).missing(3) == []


def test_the_interval_is_that_of_the_mean_over_the_splits() -> None:
    rates = Rates.of("set", [split(0, rejected=1), split(1, rejected=3)], 0.05)
    assert (rates.rejected, rates.found, rates.fitted, rates.splits) == (0.02, 1.0, 200, 2)
    # Student's t of one degree of freedom, times the standard error.
    assert rates.high == pytest.approx(0.02 + 12.706 * 0.01, abs=1e-4)
    assert rates.low == 0
    many = Rates.of("set", [split(number, rejected=number % 5) for number in range(200)], 0.05)
    assert many.high - many.low == pytest.approx(2 * 1.972 * 0.01418 / 200**0.5, rel=0.01)


def rates(rejected: float, low: float, name: str = "a") -> Rates:
    return Rates(name, 200, 0.01, 200, rejected, low, 2 * rejected - low, 0.9)


@pytest.mark.parametrize(
    ("sets", "bar"),
    [
        ([rates(0.012, 0.009), rates(0.016, 0.008)], "met"),
        ([rates(0.02, 0.009), rates(0.014, 0.008)], "MISSED (the mean)"),
        ([rates(0.012, 0.011, "fabric"), rates(0.008, 0.006)], "MISSED (fabric)"),
    ],
)
def test_the_last_table_tells_whether_the_bar_is_met(sets: list[Rates], bar: str) -> None:
    (row,) = rows_of_all(sets)
    assert row.startswith("| 1 | 2 | ")
    assert row.endswith(f"| 90.0 | {bar} |")


def test_a_row_of_a_set_names_its_own_bar() -> None:
    met, missed = rows_of_set([rates(0.012, 0.009), rates(0.02, 0.018)])
    assert met == "| a | 200 | 200 | 1 | 1.20 | 0.90 to 1.50 | 90.0 | met |"
    assert missed.endswith("| MISSED |")


@pytest.mark.slow
def test_a_real_set_is_split_with_its_pictures_features(tmp_path: Path) -> None:
    task = Task(real_pictures() / "toy_figures", bank_size=300, size=128, out=tmp_path)
    real = known_set(task)
    assert real.good == 58
    assert real.fitted == 29
    found = fit_and_judge(real, task, number=0)
    assert len(found.judged[0]) == 29
    assert found.rates(0.05)[1] > 0
    assert [*ALPHAS] == sorted(ALPHAS)
