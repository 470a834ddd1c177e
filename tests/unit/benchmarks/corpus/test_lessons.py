from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.corpus.lessons import Lesson, TaughtFigures, mean_found, report


def a_lesson(found: float, change: float = 0.1, *, count: int = 5, missed: int = 10) -> Lesson:
    return Lesson(
        alpha=0.05,
        count=count,
        judged=count,
        tested=20,
        missed=missed,
        found=(found, found),
        change=(change, change),
        chance=0.04,
        rejected_before=0.05,
        rejected=(0.05, 0.06),
    )


def test_missed_defects_the_whole_test_and_good_pictures_are_counted_apart():
    before = np.array([True, True, False, False, False, True])
    after = np.array(
        [[True, False, True, True, False, False], [True, True, True, False, True, True]]
    )

    one = Lesson.of(0.05, 20, 12, before, after, tested=4)

    assert (one.count, one.judged, one.tested, one.missed) == (20, 12, 4, 2)
    assert one.found == (1.0, 0.5)
    assert one.change == (0.25, 0.25)
    assert one.rejected_before == 0.5
    assert one.rejected == (0.0, 1.0)
    # The four defects change by 0, -1/2, 1 and 1/2 on average.
    assert one.chance == pytest.approx(np.std([0, -0.5, 1, 0.5], ddof=1))
    assert not one.counts


def test_a_test_without_a_missed_defect_has_no_share_of_them():
    before = np.array([True, True, False])
    assert Lesson.of(0.05, 5, 5, before, before[None], tested=2).found == ()


@pytest.mark.parametrize(
    ("change", "loses"),
    [
        ((-0.10, -0.10), True),
        ((-0.03, -0.03), True),
        ((-0.01, -0.01), False),
        ((-0.10, 0.02), False),
    ],
)
def test_a_set_loses_by_more_than_two_points_and_more_than_chance(
    change: tuple[float, ...], loses: bool
):
    one = replace(a_lesson(0.5), change=change)
    assert one.loses == loses


def test_sets_with_few_missed_defects_do_not_count():
    assert mean_found([a_lesson(0.5), a_lesson(0.1, missed=7)]) == 0.5
    assert mean_found([a_lesson(0.1, missed=7)]) is None


def test_the_report_says_which_bars_are_missed_and_which_set_loses():
    figures = {
        "a": TaughtFigures("a", 100, (a_lesson(0.2), a_lesson(0.2, count=10))),
        "b": TaughtFigures("b", 90, (a_lesson(0.2), a_lesson(0.2, change=-0.1, count=10))),
    }

    lines = report(figures).splitlines()

    assert "| 5% | 5 | 2 | 20.0% | 15% met | 5.0% → 5.5% |" in lines
    assert "| 5% | 10 | 2 | 20.0% | 25% MISSED | 5.0% → 5.5% |" in lines
    assert lines[-1] == "b loses at 5% with 10: -10.0% ± 0.0 by draws; its 20 defects leave ± 4.0"
