import numpy as np
import pytest

from export.learning.teaching.verdicts import TurnedVerdicts, Verdicts, costs_more
from service.core.bundles.thresholds import ThresholdPair


def test_turned_verdicts_are_counted_both_ways() -> None:
    thresholds = ThresholdPair(1.0, 2.0)
    low, high = np.float32([0, 2, 0, 0]), np.float32([0, 0, 0, 3])
    before = Verdicts.at(thresholds, low, np.zeros(4, np.float32))
    after = Verdicts.at(thresholds, np.zeros(4, np.float32), high)
    turned = TurnedVerdicts(before, after)
    assert (turned.rejected.tolist(), turned.accepted.tolist()) == ([3], [1])
    assert (before.found, after.found) == (1, 1)


def verdicts(found: int, of: int = 5) -> Verdicts:
    return Verdicts(np.zeros(of, np.float32), np.arange(of) < found)


@pytest.mark.parametrize(
    ("together", "alone", "costs"),
    [(3, 3, False), (4, 3, False), (2, 3, True), (5, 5, True), (0, 0, False)],
)
def test_a_head_costs_more_where_it_finds_fewer_or_nothing_is_missed(
    together: int, alone: int, costs: bool
) -> None:
    assert costs_more(verdicts(together), verdicts(alone)) is costs
