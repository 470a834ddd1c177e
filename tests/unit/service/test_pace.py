import pytest

from service.pace import Pace


def test_nothing_is_foretold_before_anything_ran() -> None:
    pace = Pace()
    assert (pace.turn_in_s(100, 1), pace.done_in_s(100, 1)) == (0.0, 0.0)


def test_the_wait_is_the_queue_at_the_pace_of_all_engines() -> None:
    pace = Pace()
    pace.ran(4, 0.2)
    assert pace.turn_in_s(10, 1) == pytest.approx(0.5)
    assert pace.turn_in_s(10, 2) == pytest.approx(0.25)
    assert pace.done_in_s(10, 2) == pytest.approx(0.45)


def test_a_change_of_pace_is_followed_within_some_ten_batches() -> None:
    pace = Pace()
    pace.ran(1, 1.0)
    for _ in range(10):
        pace.ran(1, 0.1)
    assert 0.1 < pace.turn_in_s(1, 1) < 0.2


def test_an_engine_that_died_does_not_divide_by_nothing() -> None:
    pace = Pace()
    pace.ran(1, 1.0)
    assert pace.turn_in_s(3, 0) == 3.0
