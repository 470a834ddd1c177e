from __future__ import annotations

import logging

from takt.core.domain import CloseReason
from takt.server.connections.closures import LOG_EVERY_S, Closures


def test_a_row_of_equal_ones_is_one_line_with_their_number(caplog) -> None:
    counted: list[CloseReason] = []
    closures = Closures(counted.append)
    with caplog.at_level(logging.WARNING, "takt.server"):
        for number in range(5):
            closures.note("slow_request", f"10.0.0.{number}")
        closures.report(0.0)
        closures.note("slow_request", "10.0.0.9")
        closures.report(1.0)
        closures.note("evicted", "10.0.0.1")
        closures.report(2.0)
        closures.report(LOG_EVERY_S)
        closures.report(3 * LOG_EVERY_S)
    assert counted == ["slow_request"] * 6 + ["evicted"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.removeprefix("connections closed or refused: ") for line in lines] == [
        "5, the last one of 10.0.0.4: the request did not come whole in time",
        "1, the last one of 10.0.0.1: idle ones made room for others",
        "1, the last one of 10.0.0.9: the request did not come whole in time",
    ]
