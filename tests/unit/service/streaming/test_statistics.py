import pytest

from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame
from takt.streaming.statistics import WINDOW, LatencyPercentiles, Tally


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def answered(inspection, age_ms: float = 1.0) -> AnsweredFrame:
    return AnsweredFrame(0, 0, inspection, age_ms, 0, None, None)


def test_every_frame_is_counted_by_what_became_of_it(inspection) -> None:
    tally = Tally()
    for _ in range(5):
        tally.arrived()
    tally.add(answered(inspection(0.9)))
    tally.add(answered(inspection(0.1)))
    tally.add(FailedFrame(2, 400, "invalid_image", "", ""))
    tally.add(DroppedFrame(3, 1))
    figures = tally.statistics()
    assert (figures.frames, figures.answered, figures.errors) == (5, 2, 1)
    assert (figures.dropped, figures.anomalous) == (1, 1)


def test_percentiles_are_of_the_answers(inspection) -> None:
    tally = Tally()
    for ms in range(1, 101):
        tally.add(answered(inspection(total_ms=float(ms)), age_ms=2.0 * ms))
    figures = tally.statistics()
    assert figures.latency_ms == LatencyPercentiles(50.0, 95.0, 99.0)
    assert figures.age_ms == LatencyPercentiles(100.0, 190.0, 198.0)


def test_a_stream_without_answers_has_no_percentiles() -> None:
    clock = Clock()
    figures = Tally(clock).statistics()
    assert figures.latency_ms == LatencyPercentiles(None, None, None)
    assert figures.frames_per_s == 0


def test_old_answers_leave_the_percentiles_and_the_rate(inspection) -> None:
    clock = Clock()
    tally = Tally(clock)
    for _ in range(10):
        clock.now_s += 50
        tally.add(answered(inspection(total_ms=9000.0)))
    for _ in range(WINDOW):
        clock.now_s += 0.5
        tally.add(answered(inspection(total_ms=5.0)))
    figures = tally.statistics()
    assert figures.answered == WINDOW + 10
    assert figures.latency_ms == LatencyPercentiles(5.0, 5.0, 5.0)
    assert figures.frames_per_s == pytest.approx(2.0)
    assert figures.seconds == pytest.approx(1000.0)


def test_the_rate_falls_while_nothing_comes(inspection) -> None:
    clock = Clock()
    tally = Tally(clock)
    for _ in range(10):
        clock.now_s += 1
        tally.add(answered(inspection()))
    assert tally.statistics().frames_per_s == pytest.approx(1.0)
    clock.now_s += 90
    assert tally.statistics().frames_per_s == pytest.approx(0.1)
