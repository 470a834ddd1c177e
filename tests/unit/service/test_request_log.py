import asyncio
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from service.domain import Box, Inspection, Region, Timings, Verdict
from service.request_log import LOGGER, RequestLog

INSPECTION = Inspection(
    model="parts",
    version="3",
    verdict=Verdict(True, 0.75, 0.5, 99.0, (Region(Box(1, 2, 3, 4), 12, 0.8),)),
    width=640,
    height=480,
    inspected=Box(0, 0, 640, 480),
    heatmap=None,
    timings=Timings(1, 2, 3, 4, 5, 6, 21),
)


@pytest.fixture(autouse=True)
def level() -> Iterator[Callable[[int], None]]:
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    yield logger.setLevel
    logger.setLevel(logging.NOTSET)


def lines_of(tell: Callable[[RequestLog], None], log_format="json") -> list[str]:
    written: list[bytes] = []

    async def run() -> None:
        log = RequestLog(written.append, log_format)
        tell(log)
        log.flush()

    asyncio.run(run())
    return b"".join(written).decode().splitlines()


def test_an_answer_is_one_json_line_with_its_timings() -> None:
    (line,) = lines_of(lambda log: log.answered(INSPECTION, "rest", "r1", "abc"))
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "takt.request",
        "message": "answered",
        "request_id": "r1",
        "protocol": "rest",
        "model": "parts",
        "version": "3",
        "verdict": "anomalous",
        "score": 0.75,
        "threshold": 0.5,
        "regions": 1,
        "width": 640,
        "height": 480,
        "timings": {
            "decode_ms": 1,
            "preprocess_ms": 2,
            "queue_ms": 3,
            "engine_ms": 4,
            "postprocess_ms": 5,
            "render_ms": 6,
            "total_ms": 21,
        },
        "trace_id": "abc",
    }


def test_a_refusal_is_one_json_line_with_its_code() -> None:
    (line,) = lines_of(lambda log: log.refused("parts", "oip", "queue_full", 429, "r2", None))
    found = json.loads(line)
    assert (found["message"], found["level"]) == ("refused", "warning")
    assert (found["code"], found["status"], found["model"]) == ("queue_full", 429, "parts")
    assert "trace_id" not in found


def test_text_is_for_people() -> None:
    def tell(log: RequestLog) -> None:
        log.answered(INSPECTION, "stream", "r1", None)
        log.refused("parts", "rest", "invalid_image", 400, "r2", None)

    answer, refusal = lines_of(tell, "text")
    assert answer.endswith(
        "INFO    takt.request: anomalous 0.75 (threshold 0.5) parts 3 stream 21.0 ms r1"
    )
    assert refusal.endswith("INFO    takt.request: 400 invalid_image parts rest r2")


@pytest.mark.parametrize(("status", "written"), [(400, 0), (404, 0), (429, 1), (503, 1), (500, 1)])
def test_of_level_warning_only_what_the_service_is_to_blame_for_is_written(
    level, status: int, written: int
) -> None:
    level(logging.WARNING)

    def tell(log: RequestLog) -> None:
        log.answered(INSPECTION, "rest", "r1", None)
        log.refused("parts", "rest", "any", status, "r2", None)

    assert len(lines_of(tell)) == written


def test_lines_are_written_soon_without_being_asked() -> None:
    written: list[bytes] = []

    async def run() -> None:
        done = asyncio.Event()

        def write(lines: bytes) -> None:
            written.append(lines)
            done.set()

        log = RequestLog(write, "json")
        for _ in range(3):
            log.answered(INSPECTION, "rest", "r1", None)
        assert not written
        await asyncio.wait_for(done.wait(), 10)

    asyncio.run(run())
    assert [lines.count(b"\n") for lines in written] == [3]


def test_many_lines_do_not_pile_up() -> None:
    written: list[bytes] = []

    async def run() -> None:
        log = RequestLog(written.append, "json")
        for _ in range(1000):
            log.answered(INSPECTION, "rest", "r1", None)
        assert len(written) == 3
        log.flush()

    asyncio.run(run())
    assert b"".join(written).count(b"\n") == 1000
