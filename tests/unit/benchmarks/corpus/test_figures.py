from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.corpus.figures import Rates, SeedFigures, SetFigures, other_time_p, rates_of
from benchmarks.corpus.fitted import allowed
from benchmarks.corpus.table import table
from takt.core.bundles.thresholds import ThresholdPair

SEED = SeedFigures(0, 0.9, None, None, (Rates(0.05, 0.8, 0.1),), 30, 0.5, 10.0)
SET = SetFigures("parts", 30, 10, 20, "320x320", (SEED,), 700.0)


def of(name: str, auroc: float, *p_values: float, **changes: object) -> SetFigures:
    seeds = (dataclasses.replace(SEED, image_auroc=auroc, other_time_p=p) for p in p_values)
    return dataclasses.replace(SET, name=name, seeds=tuple(seeds), **changes)


def test_good_pictures_of_another_time_are_told_whatever_the_defects_score():
    draw = np.random.default_rng(0)
    good, tested = draw.normal(size=60), draw.normal(size=40)
    defective = np.arange(50) >= 40
    defects = np.full(10, 9.0)

    same = other_time_p(good, np.concatenate([tested, defects]), defective)
    higher = other_time_p(good, np.concatenate([tested + 1, defects]), defective)
    lower = other_time_p(good, np.concatenate([tested - 1, defects]), defective)

    assert same > 0.01
    assert max(higher, lower) < 0.01


@pytest.mark.parametrize(
    ("p_values", "other"), [([0.5], False), ([0.009], True), ([0.001, 0.5, 0.6], False)]
)
def test_most_seeds_decide_whether_a_set_is_of_another_time(p_values: list[float], other: bool):
    assert of("parts", 0.9, *p_values).other_time is other


def test_a_picture_is_rejected_by_its_score_or_by_its_peak():
    scores, peaks = np.float32([1, 3, 1, 1, 3]), np.float32([1, 1, 1, 6, 6])
    defective = np.array([False, False, True, True, True])

    found = rates_of({0.05: ThresholdPair(image=2, pixel=5)}, scores, peaks, defective)

    assert found == (Rates(0.05, found=2 / 3, rejected=0.5),)


def test_one_percent_needs_99_good_parts():
    assert allowed(18) == ()
    assert allowed(98) == (0.05,)
    assert allowed(99) == (0.05, 0.01)


def test_a_set_has_the_mean_of_its_seeds():
    one = of("parts", 0.9, 0.5, 0.5)
    first, second = one.seeds
    one = dataclasses.replace(one, seeds=(first, dataclasses.replace(second, image_auroc=0.8)))

    assert one.image_auroc == pytest.approx(0.85)
    assert one.found() == pytest.approx(0.8)
    assert one.found(0.01) is None


def test_the_table_ends_with_mean_median_and_the_two_worst():
    rates = (Rates(0.05, 0.6, 0.0), Rates(0.01, 0.5, 0.02))
    many = dataclasses.replace(SEED, image_auroc=0.7, rates=rates)
    found = table(
        [
            of("a", 0.9, 0.5),
            of("b", 1.0, 0.001),
            dataclasses.replace(SET, name="c", seeds=(many,), p50_ms=None),
        ]
    )

    head, _, a, b, c, mean, median, worst, second = found.splitlines()
    assert "pixel AUROC" not in head
    assert "p50" not in head
    assert a == "| a | 30 + 10 | 20 | 320x320 |  | 0.9000 | 80.0 % | 10.0 % | – | – | 10.0 | 700 |"
    assert "| other | 1.0000 |" in b
    assert "| 50.0 % | 2.0 % |" in c
    # At 1 % the only set with enough pictures counts.
    assert "| 0.8667 | 73.3 % | 6.7 % | 50.0 % | 2.0 % |" in mean
    assert "| 0.9000 | 80.0 % | 10.0 % |" in median
    assert "| 0.7000 | 60.0 % | 10.0 % |" in worst
    assert "| 0.9000 | 80.0 % | 10.0 % |" in second
