import pytest

from takt.core.batching.throughput import Throughput


def test_nothing_is_foretold_before_anything_ran() -> None:
    throughput = Throughput()
    assert (throughput.turn_in_s(100), throughput.done_in_s(100)) == (0.0, 0.0)


@pytest.mark.parametrize(("workers", "turn_s"), [(1, 0.5), (2, 0.25)])
def test_the_wait_is_the_queue_at_the_pace_of_all_workers(workers: int, turn_s: float) -> None:
    throughput = Throughput(workers)
    throughput.ran(4, 0.2)
    assert throughput.turn_in_s(10) == pytest.approx(turn_s)
    assert throughput.done_in_s(10) == pytest.approx(turn_s + 0.2)


def test_behind_nobody_there_is_no_wait() -> None:
    throughput = Throughput()
    throughput.ran(1, 60.0)
    assert throughput.done_in_s(0) == 0.0


def test_a_change_of_throughput_is_followed_within_some_twenty_batches() -> None:
    throughput = Throughput()
    throughput.ran(1, 1.0)
    for _ in range(21):
        throughput.ran(1, 0.1)
    assert 0.1 < throughput.turn_in_s(1) < 0.2


def test_workers_that_all_died_do_not_divide_by_nothing() -> None:
    throughput = Throughput(workers=0)
    throughput.ran(1, 1.0)
    assert throughput.turn_in_s(3) == 3.0


def test_under_load_the_ends_tell_the_throughput_whatever_the_workers_say() -> None:
    throughput = Throughput(workers=2)
    for ended_s in range(100):
        throughput.ran(1, 0.1, ended_s=float(ended_s), more=True)
    assert throughput.turn_in_s(10) == pytest.approx(10.0, rel=0.01)
    assert throughput.batch_s == pytest.approx(0.1)


def test_a_pause_in_which_nothing_waited_does_not_count() -> None:
    throughput = Throughput()
    for ended_s in (0.0, 1000.0, 2000.0):
        throughput.ran(1, 0.1, ended_s=ended_s, more=False)
    assert throughput.turn_in_s(10) == pytest.approx(1.0)
