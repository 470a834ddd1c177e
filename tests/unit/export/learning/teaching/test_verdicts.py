import numpy as np
import pytest

from takt.core.bundles.thresholds import ThresholdPair
from takt_export.learning.teaching.verdicts import HeadGain, TurnedVerdicts, Verdicts


def test_turned_verdicts_are_counted_both_ways() -> None:
    thresholds = ThresholdPair(1.0, 2.0)
    low, high = np.float32([0, 2, 0, 0]), np.float32([0, 0, 0, 3])
    before = Verdicts.at(thresholds, low, np.zeros(4, np.float32))
    after = Verdicts.at(thresholds, np.zeros(4, np.float32), high)
    turned = TurnedVerdicts(before, after)
    assert (turned.rejected.tolist(), turned.accepted.tolist()) == ([3], [1])
    assert (before.found, after.found) == (1, 1)


def gain(together: list[int], alone: list[int]) -> HeadGain:
    nothing = np.zeros(len(alone), np.float32)
    return HeadGain.of(
        Verdicts(nothing, np.array(together, bool)), Verdicts(nothing, np.array(alone, bool))
    )


def test_a_gain_counts_what_is_won_and_what_is_lost() -> None:
    assert gain([1, 1, 0, 0], [0, 1, 1, 0]) == HeadGain(won=1, lost=1, count=4)


@pytest.mark.parametrize(
    ("won", "lost", "pays"),
    [(1, 0, True), (0, 0, False), (1, 1, False), (2, 1, True), (3, 2, False), (0, 2, False)],
)
def test_a_head_pays_where_it_wins_more_than_half_a_standard_error(
    won: int, lost: int, pays: bool
) -> None:
    assert HeadGain(won, lost, 10).pays is pays


def test_further_defects_count_until_the_head_pays() -> None:
    unsure = HeadGain(won=3, lost=2, count=20)
    scratches = HeadGain(won=2, lost=0, count=4)
    more = unsure.further(scratches)
    assert more == 1
    assert unsure.pays_with(more / 4, scratches)
    assert not unsure.pays_with(0, scratches)


def test_no_number_of_defects_that_gain_nothing_makes_a_head_pay() -> None:
    assert HeadGain(1, 2, 10).further(HeadGain(0, 0, 5)) is None
