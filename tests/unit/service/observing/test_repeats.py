from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from takt.observing.logging_setup import configure_logging
from takt.observing.repeats import Repeats


class Kept(logging.Handler):
    """Keeps the lines, and ends rows when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.ends: list[Callable[[], None]] = []
        self.addFilter(Repeats(self.handle, later=lambda _, end: self.ends.append(end)))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def end_rows(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            end()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def logger(kept: Kept) -> logging.Logger:
    made = logging.Logger("takt.test")
    made.addHandler(kept)
    return made


def fail(logger: logging.Logger, request: int, error: Exception) -> None:
    try:
        raise error
    except type(error) as raised:
        logger.error("request %d: failed", request, exc_info=raised)


def test_a_row_of_equal_failures_is_one_traceback_and_their_number(kept, logger) -> None:
    for request in range(129):
        fail(logger, request, ValueError("the engine failed"))
    assert len(kept.lines) == 1
    assert kept.lines[0].startswith("request 0: failed\nTraceback")
    kept.end_rows()
    assert kept.lines[1:] == ["... and 128 more of the same in 10 s: ValueError: the engine failed"]
    fail(logger, 130, ValueError("the engine failed"))
    assert kept.lines[2].startswith("request 130: failed\nTraceback")


def test_a_failure_that_comes_once_has_no_number(kept, logger) -> None:
    fail(logger, 1, ValueError("the engine failed"))
    kept.end_rows()
    assert len(kept.lines) == 1


def test_other_failures_and_lines_without_one_are_all_logged(kept, logger) -> None:
    for part in range(3):
        fail(logger, part, ValueError(f"another one, {part}"))
        fail(logger, part, TypeError("the same text"))
        logger.error("no exception at all")
        logger.info("less than a warning: %s", ValueError("the same"))
    assert len(kept.lines) == 3 + 1 + 3 + 3


def test_an_exception_in_the_text_counts_as_one_that_is_shown(kept, logger) -> None:
    for request in range(5):
        logger.error("request %d: %s", request, ValueError("no engine"))
    kept.end_rows()
    assert kept.lines == [
        "request 0: no engine",
        "... and 4 more of the same in 10 s: ValueError: no engine",
    ]


def test_so_many_kinds_of_failures_at_once_are_logged_one_by_one(kept, logger) -> None:
    for _ in range(2):
        for kind in range(40):
            logger.error("failed: %s", ValueError(str(kind)))
    assert len(kept.lines) == 40 + 8
    assert len(kept.ends) == 32


def test_the_log_of_a_server_counts_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    handler = logging.NullHandler()
    configure_logging("info", "text", handler)
    assert any(isinstance(one, Repeats) for one in handler.filters)


def test_refused_handshakes_are_one_line_for_each_status(kept, logger) -> None:
    for number in range(500):
        logger.info('%s - "WebSocket %s" %d', f"10.0.0.{number % 9}:1", "/v1/stream", 401)
    logger.info('%s - "WebSocket %s" %d', "10.0.0.1:1", "/v1/stream", 403)
    logger.info('%s - "WebSocket %s" [accepted]', "10.0.0.1:1", "/v1/stream")
    assert [line.rpartition(" ")[2] for line in kept.lines] == ["401", "403", "[accepted]"]
    kept.end_rows()
    assert kept.lines[3:] == ["... and 499 more of the same in 10 s: WebSocket refused: 401"]
