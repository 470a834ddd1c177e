from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.commands.tune.results import MeasuredCandidate

MakeMeasured = Callable[..., MeasuredCandidate]


def test_the_rate_is_the_mean_of_the_rounds(make_measured: MakeMeasured) -> None:
    assert make_measured("a", 10.0, 20.0).images_per_s == 15.0


def test_percentiles_are_times_that_some_picture_took(make_measured: MakeMeasured) -> None:
    one = make_measured("a", 1.0, latencies_ms=tuple(float(n) for n in range(200, 0, -1)))
    assert (one.p50_ms, one.p99_ms) == (100.0, 198.0)


def test_the_p99_of_few_pictures_is_the_slowest(make_measured: MakeMeasured) -> None:
    one = make_measured("a", 1.0, 1.0, latencies_ms=(3.0, 7.0))
    assert (one.timed, one.p99_ms) == (4, 7.0)


def test_candidates_are_compared_by_the_rounds_that_both_ran_in(
    make_measured: MakeMeasured,
) -> None:
    dropped, reference = make_measured("a", 30.0), make_measured("b", 10.0, 5.0)
    assert dropped.over(reference) == 3.0


@pytest.mark.parametrize(("target_ms", "kept"), [(None, True), (10.0, True), (9.9, False)])
def test_a_target_is_kept_by_a_p99_that_does_not_pass_it(
    make_measured: MakeMeasured, target_ms: float | None, kept: bool
) -> None:
    assert make_measured("a", 1.0, latencies_ms=(10.0,)).keeps(target_ms) is kept
