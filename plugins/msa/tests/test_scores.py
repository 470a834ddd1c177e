from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from plugins.msa.tests.attribute_study import part, study, worked_example
from takt_msa.scores import score_spread
from takt_msa.study import Part, Study, Trial


def one_sided(example: Study, sign: float) -> Study:
    """The parts on one side of the example's middle, all nine decisions by one appraiser."""
    parts = []
    for one in example.parts:
        value = one.trials[0].score
        if sign * (value - 0.5) < 0:
            continue
        trials = tuple(
            Trial(f"{trial.name}{number}", sign * value, (rejected,))
            for trial in one.trials
            for number, rejected in enumerate(trial.rejected)
        )
        parts.append(Part(one.name, one.defective, trials))
    return replace(example, appraisers=("all",), parts=tuple(parts))


@pytest.mark.parametrize(
    ("sign", "ends", "width"),
    [(1, (0.542704, 0.566152), 0.023448), (-1, (-0.470832, -0.446697), 0.024135)],
)
def test_the_zone_of_doubt_is_that_of_the_worked_example(
    sign: float, ends: tuple[float, float], width: float
) -> None:
    zone = score_spread(one_sided(worked_example(), sign)).zone

    assert zone is not None
    assert (zone.low, zone.high) == pytest.approx(ends)
    assert zone.width == pytest.approx(width)


def test_a_part_flips_if_its_placements_are_on_both_sides_of_the_threshold() -> None:
    spread = score_spread(
        study(part("a", False, 0.1, 0.2), part("b", False, 0.4, 0.6), part("c", True, 0.8, 0.9))
    )

    assert [one.name for one in spread.flipping] == ["b"]
    assert spread.zone is not None
    assert (spread.zone.low, spread.zone.high, spread.zone.parts) == pytest.approx((0.15, 0.85, 1))


def test_there_is_no_zone_where_every_part_is_rejected() -> None:
    spread = score_spread(study(part("a", False, 0.7, 0.8), part("b", True, 0.8, 0.9)))

    assert spread.zone is None
    assert spread.flipping == ()


def test_the_spread_is_pooled_over_parts_and_not_over_their_means() -> None:
    good = [part(f"g{number}", False, number, number + 0.2) for number in range(3)]
    spread = score_spread(study(*good, part("d", True, 9.0, 9.0)))
    squares = 3 * 2 * 0.1**2

    assert spread.good.deviation == pytest.approx(np.sqrt(squares / 3))
    assert spread.good.interval.low == pytest.approx(np.sqrt(squares / chi2.ppf(0.975, 3)))
    assert spread.good.interval.high == pytest.approx(np.sqrt(squares / chi2.ppf(0.025, 3)))
    assert spread.defective.deviation == 0


def test_equal_scores_have_no_spread_at_all() -> None:
    spread = score_spread(study(part("a", False, 0.1, 0.1, 0.1), part("b", True, 0.9, 0.9, 0.9)))

    assert (spread.good.deviation, spread.defective.deviation) == (0, 0)
    assert [one.deviation for one in spread.parts] == [0, 0]
    assert [one.deviations for one in spread.parts] == [None, None]


def test_the_nearest_parts_are_those_that_flip_then_those_few_deviations_away() -> None:
    spread = score_spread(
        study(
            part("far", False, 0.0, 0.1),
            part("near", False, 0.38, 0.48),
            part("flips", True, 0.45, 0.95),
            part("bad", True, 0.8, 0.9),
        )
    )

    assert [one.name for one in spread.nearest(3)] == ["flips", "near", "bad"]
    near = spread.nearest(2)[1]
    assert near.margin == pytest.approx(-0.07)
    assert near.deviations == pytest.approx(-0.07 / spread.good.deviation)
