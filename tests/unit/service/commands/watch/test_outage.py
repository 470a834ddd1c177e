from __future__ import annotations

import pytest

from takt.commands.watch.outage import Outage
from takt.sources.pacing import WatchClock
from takt.sources.troubles import REMIND_EVERY_S
from takt_client import RetryPolicy
from takt_client.errors import NotReadyError, UnreachableError

GONE = UnreachableError("no answer from ws://line/v1: no", "nothing listens there")
POLICY = RetryPolicy(deadline_s=3600.0, first_delay_s=1.0, max_delay_s=30.0)


class Line:
    """A line whose server goes away: what is said, the time, and the frames dropped so far."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.now_s = 1000.0
        self.dropped = 7
        self._outage = Outage(
            "http://line",
            POLICY,
            WatchClock(lambda: self.now_s),
            self.said.append,
            lambda: self.dropped,
            lambda: "the rest is kept",
        )
        self.outage, self.other = self._outage.listener(), self._outage.listener()


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_server_that_is_away_is_said_at_once_with_the_wait_as_it_is(line: Line) -> None:
    line.outage.waits(GONE, 0.74)
    assert line.said == [
        "cannot reach http://line: nothing listens there; trying again in 0.7 s, then up to 30 s "
        "apart"
    ]


def test_an_outage_that_goes_on_is_one_line_and_a_rare_reminder(line: Line) -> None:
    while line.now_s < 1000.0 + 2.5 * REMIND_EVERY_S:
        line.outage.waits(GONE, 24.0)
        line.now_s += 24.0
    assert len(line.said) == 3
    assert line.said[1] == (
        "cannot reach http://line: nothing listens there; for 5 min now; trying again in 24 s"
    )


def test_a_server_that_is_back_is_said_with_how_long_and_what_became_of_frames(line: Line) -> None:
    line.outage.waits(GONE, 1.0)
    line.now_s += 12.3
    line.dropped += 47
    line.outage.succeeded()
    assert line.said[1:] == [
        "http://line is back after 12 s; 47 frames were dropped for newer ones (policy latest); "
        "the rest is kept"
    ]


def test_each_outage_is_said_anew_and_counts_its_own_frames(line: Line) -> None:
    for _ in range(2):
        line.outage.waits(GONE, 1.0)
        line.dropped += 3
        line.outage.succeeded()
        line.dropped += 100
    assert [text.split(" ")[0] for text in line.said] == ["cannot", "http://line"] * 2
    assert "; 3 frames were" in line.said[3]


def test_a_server_that_is_there_again_but_loads_is_news(line: Line) -> None:
    line.outage.waits(GONE, 1.0)
    line.outage.waits(NotReadyError("model lids is loading"), 2.0)
    line.outage.waits(GONE, 4.0)
    assert line.said[1:] == [
        "http://line does not take frames: model lids is loading; trying again in 2.0 s"
    ]


def test_an_outage_of_several_streams_is_one_and_over_with_the_last(line: Line) -> None:
    line.outage.waits(GONE, 1.0)
    line.other.waits(GONE, 1.2)
    line.now_s += 5
    line.outage.succeeded()
    assert len(line.said) == 1
    line.now_s += 5
    line.other.succeeded()
    assert line.said[1].startswith("http://line is back after 10 s; ")


def test_a_stream_that_ended_keeps_no_outage_from_being_over(line: Line) -> None:
    line.outage.waits(GONE, 1.0)
    line.other.waits(GONE, 1.2)
    line.other.close()
    line.outage.succeeded()
    line.outage.close()
    assert [text.split(" ")[0] for text in line.said] == ["cannot", "http://line"]


def test_a_stream_that_was_never_away_is_not_back(line: Line) -> None:
    line.outage.succeeded()
    line.outage.close()
    assert line.said == []
