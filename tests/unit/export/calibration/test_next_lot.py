from __future__ import annotations

import numpy as np
import pytest

from takt.core.bundles.next_lot import NextLot
from takt.core.bundles.thresholds import ThresholdPair
from takt_export.calibration.lots import Lots
from takt_export.calibration.next_lot import ScoresByLot, limit_of, spread_of


def scores(lots: int, spread: float, seed: int = 0, pictures: int = 40) -> ScoresByLot:
    """Of so many pictures a lot, each lot higher or lower than the others."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(0, spread, lots), pictures) + rng.normal(0, 1, pictures * lots)
    score = level.astype(np.float32)
    names = tuple(f"lot {number:02}" for number in range(lots) for _ in range(pictures))
    return ScoresByLot(Lots(names, "folders"), score, score - 100, are_unseen=True)


def next_lot(known: ScoresByLot, alpha: float = 0.05) -> NextLot:
    limit = float(np.quantile(known.score, 1 - alpha))
    return known.next_lot(ThresholdPair(limit, 1.0), alpha)


def test_many_lots_that_do_not_differ_have_a_limit_near_that_of_chance_alone() -> None:
    found = next_lot(scores(40, 0.0))
    assert found.limit is not None
    assert 0.05 < found.limit < 0.12
    assert (found.lots, found.good, found.rejected) == (40, 1600, 80)


def test_few_lots_that_do_not_differ_have_the_limit_of_usual_ones() -> None:
    few, many = next_lot(scores(3, 0.0)).limit, next_lot(scores(40, 0.0)).limit
    assert few is not None
    assert many is not None
    assert 0.15 < few < 0.25
    assert few > many


def test_the_more_lots_differ_the_higher_the_limit() -> None:
    limits = [next_lot(scores(12, spread)).limit for spread in (0.0, 0.5, 1.0)]
    assert limits == sorted(limits, key=lambda one: one or 0)


@pytest.mark.parametrize("spread", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("lots", [4, 10])
def test_about_nine_of_ten_further_lots_lie_below_the_limit(spread: float, lots: int) -> None:
    below = []
    for seed in range(200):
        known = scores(lots + 1, spread, seed, pictures=100)
        first, last = slice(0, 100 * lots), slice(100 * lots, None)
        some = ScoresByLot(
            Lots(known.lots.of[first], ""), known.score[first], known.peak[first], are_unseen=True
        )
        found = next_lot(some)
        limit = np.quantile(some.score, 0.95)
        below.append((known.score[last] > limit).mean() <= (found.limit or 0))
    assert 0.83 <= np.mean(below) <= 1.0  # nine of ten; lots that differ less lie below more often


def test_with_two_lots_nothing_is_told_of_the_next() -> None:
    found = next_lot(scores(2, 0.0))
    assert found.limit is None
    assert found.text.startswith("measured on two lots: expect more rejects of the next one")


def test_lots_that_the_model_has_seen_tell_nothing_of_the_next() -> None:
    known = scores(5, 0.0)
    seen = ScoresByLot(known.lots, known.score, known.peak, are_unseen=False)
    assert next_lot(seen).text.startswith("the model has seen others of each picture's lot")


def test_where_nothing_tells_lots_it_is_said_what_does() -> None:
    known = scores(3, 0.0)
    alone = ScoresByLot(Lots(), known.score, known.peak, are_unseen=True)
    assert "--lot names them" in next_lot(alone).text


def test_twice_as_many_lots_have_a_lower_limit() -> None:
    found = next_lot(scores(4, 0.6))
    assert found.limit is not None
    assert found.limit_of_twice is not None
    assert found.limit_of_twice < found.limit
    assert "with twice as many lots about" in found.text


def test_a_spread_that_chance_explains_is_none() -> None:
    above = np.tile(np.arange(10) < 2, 5)
    assert spread_of(above, [f"{number // 10}" for number in range(50)]) == 0.0


def test_the_limit_is_above_the_share() -> None:
    assert limit_of(0.05, 0.0, 3) > 0.05
