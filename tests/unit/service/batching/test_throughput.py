import pytest

from service.batching.throughput import Pace


def test_nothing_is_foretold_before_anything_ran() -> None:
    pace = Pace()
    assert (pace.turn_in_s(100, 1), pace.done_in_s(100, 1)) == (0.0, 0.0)


def test_the_wait_is_the_queue_at_the_pace_of_all_engines() -> None:
    pace = Pace()
    pace.ran(4, 0.2)
    assert pace.turn_in_s(10, 1) == pytest.approx(0.5)
    assert pace.turn_in_s(10, 2) == pytest.approx(0.25)
    assert pace.done_in_s(10, 2) == pytest.approx(0.45)


def test_a_change_of_pace_is_followed_within_some_twenty_batches() -> None:
    pace = Pace()
    pace.ran(1, 1.0)
    for _ in range(21):
        pace.ran(1, 0.1)
    assert 0.1 < pace.turn_in_s(1, 1) < 0.2


def test_an_engine_that_died_does_not_divide_by_nothing() -> None:
    pace = Pace()
    pace.ran(1, 1.0)
    assert pace.turn_in_s(3, 0) == 3.0


def test_under_load_the_pace_is_that_of_the_ends_whatever_the_engines_say() -> None:
    pace = Pace()
    for ended_s in range(100):
        pace.ran(1, 0.1, engines=2, ended_s=float(ended_s), more=True)
    assert pace.turn_in_s(10, 2) == pytest.approx(10.0, rel=0.01)
    assert pace.batch_s == pytest.approx(0.1)


def test_a_pause_in_which_nothing_waited_is_no_pace() -> None:
    pace = Pace()
    for ended_s in (0.0, 1000.0, 2000.0):
        pace.ran(1, 0.1, ended_s=ended_s, more=False)
    assert pace.turn_in_s(10, 1) == pytest.approx(1.0)
