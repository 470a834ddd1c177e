from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.commands.tune.choice import choose, promising, why_none
from takt.commands.tune.results import MeasuredCandidate

MakeMeasured = Callable[..., MeasuredCandidate]


def test_without_a_target_the_most_images_win(make_measured: MakeMeasured) -> None:
    slow = make_measured("slow", 10.0, latencies_ms=(1.0,))
    fast = make_measured("fast", 20.0, latencies_ms=(99.0,))
    choice = choose([slow, fast], None)
    assert choice is not None
    assert choice.best is fast
    assert choice.why == "the most images/s"


def test_a_tie_goes_to_the_lower_p99(make_measured: MakeMeasured) -> None:
    fast = make_measured("fast", 100.0, latencies_ms=(20.0,))
    sooner = make_measured("sooner", 97.5, latencies_ms=(10.0,))
    choice = choose([fast, sooner], None)
    assert choice is not None
    assert choice.best is sooner
    assert "fast, 1 x 2 threads" in choice.why


def test_beyond_three_percent_is_no_tie(make_measured: MakeMeasured) -> None:
    fast = make_measured("fast", 100.0, latencies_ms=(20.0,))
    sooner = make_measured("sooner", 96.5, latencies_ms=(10.0,))
    choice = choose([sooner, fast], None)
    assert choice is not None
    assert choice.best is fast


def test_only_what_keeps_the_target_is_chosen(make_measured: MakeMeasured) -> None:
    fast = make_measured("fast", 100.0, latencies_ms=(20.0,))
    sooner = make_measured("sooner", 50.0, latencies_ms=(10.0,))
    choice = choose([fast, sooner], 15.0)
    assert choice is not None
    assert choice.best is sooner
    assert "within a p99 of 15 ms" in choice.why


def test_a_target_that_none_keeps_has_no_choice_and_names_the_nearest(
    make_measured: MakeMeasured,
) -> None:
    found = [
        make_measured("fast", 100.0, latencies_ms=(20.0,)),
        make_measured("sooner", 50.0, latencies_ms=(12.0,)),
    ]
    assert choose(found, 10.0) is None
    message = str(why_none(found, 10.0))
    assert "p99 of 10 ms" in message
    assert "sooner, 1 x 2 threads, with 12.0 ms" in message


@pytest.mark.parametrize("target_ms", [None, 10.0])
def test_where_nothing_runs_the_doctor_is_recommended(target_ms: float | None) -> None:
    assert choose([], target_ms) is None
    assert "takt doctor" in str(why_none([], target_ms))


def test_what_is_far_behind_is_not_promising(make_measured: MakeMeasured) -> None:
    best, near, far = (
        make_measured(name, rate) for name, rate in (("a", 100), ("b", 71), ("c", 69))
    )
    assert promising([far, near, best], None) == (near, best)


def test_a_fast_one_beyond_the_target_makes_none_hopeless(make_measured: MakeMeasured) -> None:
    fast = make_measured("fast", 100.0, latencies_ms=(20.0,))
    sooner = make_measured("sooner", 10.0, latencies_ms=(10.0,))
    assert promising([fast, sooner], 15.0) == (fast, sooner)


def test_while_none_keeps_the_target_all_are_promising(make_measured: MakeMeasured) -> None:
    found = (make_measured("a", 100.0), make_measured("b", 1.0))
    assert promising(found, 5.0) == found
