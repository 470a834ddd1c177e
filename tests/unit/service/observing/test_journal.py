import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from takt.core.domain import Box, Inspection, Timings, Verdict
from takt.core.errors import QueueFullError
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import UNKNOWN, Journal
from takt.observing.records import AnswerRecord, Asked
from takt.observing.request_log import LOGGER, RequestLog

INSPECTION = Inspection(
    model="parts",
    version="3",
    verdict=Verdict(True, 0.75, 0.5, 99.0, ()),
    width=640,
    height=480,
    inspected=Box(0, 0, 640, 480),
    heatmap=None,
    timings=Timings(1, 2, 3, 4, 5, 6, 21),
)


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    yield
    logging.getLogger(LOGGER).setLevel(logging.NOTSET)


class Watched:
    """A journal, what it wrote, and what it counted."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.wrote = asyncio.Event()
        self.metrics = Metrics()
        self.journal = Journal(self.metrics, RequestLog(self._write, "json"))

    def _write(self, lines: str) -> None:
        self.written.append(lines)
        self.wrote.set()

    @property
    def counted(self) -> str:
        return generate_latest(self.metrics.registry).decode()

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for lines in self.written for line in lines.splitlines()]


async def test_what_happened_is_counted_and_written_soon_without_being_asked() -> None:
    watched = Watched()
    for number in range(3):
        watched.journal.answered(INSPECTION, "rest", f"r{number}")
    assert not watched.written
    await watched.wrote.wait()
    assert len(watched.written) == 1
    assert [line["request_id"] for line in watched.lines] == ["r0", "r1", "r2"]
    assert 'outcome="ok",protocol="rest",verdict="anomalous"} 3.0' in watched.counted


async def test_answers_and_refusals_keep_their_order() -> None:
    watched = Watched()
    full = QueueFullError("come back later", retry_after_s=1)
    watched.journal.answered(INSPECTION, "rest", "r0")
    watched.journal.refused(UNKNOWN, "oip", full, "r1")
    watched.journal.refused("parts", "stream", ValueError("nobody may see this"), "r2")
    watched.journal.settle()
    assert [line.get("code") for line in watched.lines] == [
        None,
        "queue_full",
        "internal_error",
    ]
    assert "nobody may see this" not in "".join(watched.written)
    assert 'outcome="queue_full",protocol="oip",verdict="none"} 1.0' in watched.counted


async def test_much_does_not_pile_up() -> None:
    watched = Watched()
    for number in range(10_000):
        watched.journal.answered(INSPECTION, "rest", f"r{number}")
    assert 'outcome="ok",protocol="rest",verdict="anomalous"} 9984.0' in watched.counted
    assert len(watched.lines) > 8_000
    watched.journal.settle()
    assert len(watched.lines) == 10_000


async def test_a_log_that_cannot_be_written_fails_nobody_and_is_told(caplog) -> None:
    def broken(lines: str) -> None:
        raise OSError("no space left")

    metrics = Metrics()
    journal = Journal(metrics, RequestLog(broken, "json"))
    journal.answered(INSPECTION, "rest", "r0")
    journal.settle()
    assert 'outcome="ok",protocol="rest"' in generate_latest(metrics.registry).decode()
    assert "missing from the request log" in caplog.text


async def test_nothing_is_told_twice() -> None:
    watched = Watched()
    watched.journal.answered(INSPECTION, "rest", "r0")
    watched.journal.settle()
    watched.journal.settle()
    assert len(watched.lines) == 1


class Noting:
    """An outlet that keeps what it is told, or raises."""

    def __init__(self, *, broken: bool = False) -> None:
        self.noted: list[tuple[AnswerRecord, Asked]] = []
        self._broken = broken

    def start(self) -> None:
        """Nothing to do."""

    def note(self, answer: AnswerRecord, asked: Asked) -> None:
        if self._broken:
            raise OSError("no space left")
        self.noted.append((answer, asked))

    def close(self, timeout_s: float) -> None:
        """Nothing to do."""


async def test_every_outlet_gets_every_answer_with_what_was_asked_and_no_refusal() -> None:
    outlets = [Noting(), Noting()]
    journal = Journal(Metrics(), outlets=outlets)
    assert journal.has_outlets
    asked = Asked(b"picture", "line3")
    journal.answered(INSPECTION, "rest", "r0", asked)
    journal.failed("parts", "rest", "queue_full", 429, "r1")
    for outlet in outlets:
        ((answer, came),) = outlet.noted
        assert (answer.request_id, answer.verdict) == ("r0", INSPECTION.verdict)
        assert came is asked
    journal.settle()


async def test_an_outlet_that_raises_harms_neither_the_answer_nor_other_outlets(caplog) -> None:
    metrics, other = Metrics(), Noting()
    journal = Journal(metrics, outlets=[Noting(broken=True), other])
    journal.answered(INSPECTION, "rest", "r0")
    journal.settle()
    assert len(other.noted) == 1
    assert "an answer is missing from an outlet" in caplog.text
    counted = generate_latest(metrics.registry).decode()
    assert 'takt_counting_errors_total{model="parts"} 1.0' in counted
    assert 'outcome="ok",protocol="rest"' in counted


def test_without_outlets_nobody_needs_to_say_what_came() -> None:
    assert not Journal(Metrics()).has_outlets
