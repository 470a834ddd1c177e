from __future__ import annotations

import pytest

from takt.commands.watch.figures import FrameTimes, WatchTally
from takt.core.domain import Box, Inspection, Timings, Verdict
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame
from takt.streaming.statistics import LatencyPercentiles


def answered(engine_ms: float) -> AnsweredFrame:
    timings = Timings(0, 0, 50.0, engine_ms, 0, 0, 50.0 + engine_ms)
    verdict = Verdict(False, 0.1, 0.5, None, ())
    seen = Inspection("parts", "1", verdict, 4, 3, Box(0, 0, 4, 3), None, timings)
    return AnsweredFrame(0, 0, seen, 60.0, 0, None, None)


def test_waiting_is_all_from_the_capture_to_the_answer_but_the_engine() -> None:
    now_s = 100.0
    tally = WatchTally(lambda: now_s)
    assert tally.add(answered(1100.0), taken_s=90.3) == FrameTimes(1100.0, pytest.approx(8600.0))
    figures = tally.figures()
    assert figures.engine_ms.p50 == 1100.0
    assert figures.waiting_ms.p50 == pytest.approx(8600.0)


def test_an_engine_that_took_longer_than_the_frame_did_leaves_no_waiting() -> None:
    """Tiles may run on several engines at once; their times are added."""
    tally = WatchTally(lambda: 100.0)
    assert tally.add(answered(500.0), taken_s=99.9) == FrameTimes(500.0, 0.0)


def test_frames_left_out_and_dropped_are_counted_and_have_no_times() -> None:
    tally = WatchTally(lambda: 100.0)
    tally.leave_out()
    tally.arrived()
    assert tally.add(DroppedFrame(0, 1), taken_s=99.0) is None
    figures = tally.figures()
    assert tally.left_out == 1
    assert (figures.stats.frames, figures.stats.dropped) == (2, 2)
    assert figures.waiting_ms == LatencyPercentiles(None, None, None)
