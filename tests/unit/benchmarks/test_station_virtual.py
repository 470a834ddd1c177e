"""The plays of a station in passed time."""

from __future__ import annotations

import logging

from benchmarks.station.virtual import LogCount, _with_faults
from takt_station.plant.faults import FaultKind


def test_lines_that_differ_in_their_numbers_are_counted_as_one() -> None:
    log, logger = LogCount(), logging.Logger("of a test")
    logger.addHandler(log)

    for part in (9, 10):
        logger.warning("no picture of part %d: it came too late", part)
    logger.info("part 11 is well")
    assert log.lines == {"no picture of part …: it came too late": 2}
    assert log.errors == 0

    logger.error("something unforeseen")
    assert log.errors == 1


def test_a_play_tells_what_was_broken_whether_the_line_went_on_and_the_longest_time() -> None:
    played = _with_faults(((FaultKind.CAMERA_UNPLUGGED, FaultKind.SERVER_GONE), 0))

    assert played.name == "camera_unplugged+server_gone seed 0"
    assert played.broken == 0
    assert played.recovered
    assert 20 < played.worst_ms < 90.001
    assert "recipes are as they were: the server is gone" in played.logged
