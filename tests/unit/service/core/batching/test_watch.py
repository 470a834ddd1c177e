from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from takt.core.batching.watch import RunLimits, RunTimes, RunWatch

LIMITS = RunLimits(least_s=10.0, first_s=60.0, factor=10.0, look_every_s=1.0)


def running(since_s: float | None, size: int = 1) -> Any:
    """A worker whose batch was begun then."""

    class Worker:
        work = SimpleNamespace(size=size)

    worker = Worker()
    worker.since_s = since_s  # type: ignore[attr-defined]
    return worker


@pytest.mark.parametrize(
    ("ran", "size", "limit_s"),
    [
        ([], 1, 60.0),
        ([(1, 0.01)], 1, 10.0),
        ([(1, 3.0)], 1, 30.0),
        ([(1, 3.0), (1, 2.0)], 1, 30.0),
        ([(1, 3.0)], 2, 60.0),
        ([(1, 3.0)], 8, 240.0),
        ([(4, 40.0)], 1, 100.0),
    ],
)
def test_a_batch_may_take_ten_times_as_long_as_the_slowest_of_its_size(
    ran: list[tuple[int, float]], size: int, limit_s: float
) -> None:
    times = RunTimes(LIMITS)
    for of, run_s in ran:
        times.ran(of, run_s)
    assert times.limit_s(size) == limit_s


def looked(watch: RunWatch, worker: Any, *moments_s: float) -> list[bool]:
    return [bool(watch.look([worker], now_s)) for now_s in moments_s]


def test_a_batch_hangs_once_it_was_seen_to_run_for_longer_than_its_limit() -> None:
    times = RunTimes(LIMITS)
    times.ran(1, 0.01)
    watch, worker = RunWatch(times, 1.0), running(100.0)
    assert looked(watch, worker, *(100.0 + second for second in range(12))) == [False] * 11 + [True]


def test_time_in_which_the_process_stood_still_is_not_the_engines() -> None:
    times = RunTimes(LIMITS)
    times.ran(1, 0.01)
    watch, worker = RunWatch(times, 1.0), running(100.0)
    assert looked(watch, worker, 100.0, 3700.0, 3701.0, 3702.0) == [False] * 4


def test_each_batch_has_its_own_time() -> None:
    watch, worker = RunWatch(RunTimes(LIMITS), 100.0), running(0.0)
    for moment_s in range(0, 1000, 50):
        worker.since_s = float(moment_s)
        assert looked(watch, worker, float(moment_s)) == [False]
    worker.since_s = None
    assert looked(watch, worker, 2000.0, 2100.0) == [False, False]
