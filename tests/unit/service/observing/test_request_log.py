import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from takt.core.domain import UNKNOWN_SOURCE, Box, Region, Timings, Verdict
from takt.observing.records import AnswerRecord, RefusalRecord
from takt.observing.request_log import LOGGER, RequestLog

ANSWERED = AnswerRecord(
    model="parts",
    version="3",
    verdict=Verdict(True, 0.75, 0.5, 99.0, (Region(Box(1, 2, 3, 4), 12, 0.8),)),
    width=640,
    height=480,
    timings=Timings(1, 2, 3, 4, 5, 6, 21),
    by="rest",
    request_id="r1",
    trace_id=None,
    at_s=1_700_000_000.25,
    warnings=(),
    source=UNKNOWN_SOURCE,
)
REFUSED = RefusalRecord("parts", "queue_full", 429, "oip", "r2", None, 1_700_000_000.5)


@pytest.fixture(autouse=True)
def level() -> Iterator[Callable[[int], None]]:
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    yield logger.setLevel
    logger.setLevel(logging.NOTSET)


def lines_of(*records: AnswerRecord | RefusalRecord, log_format="json") -> list[str]:
    written: list[str] = []
    requests = RequestLog(written.append, log_format)
    requests.write(records)
    requests.flush()
    return "".join(written).splitlines()


def test_lines_are_written_together_at_the_next_flush_or_once_there_are_many() -> None:
    written: list[str] = []
    requests = RequestLog(written.append, "text")
    for _ in range(3):
        requests.write([REFUSED] * 100)
    assert not written
    requests.flush()
    requests.flush()
    assert [len(lines.splitlines()) for lines in written] == [300]
    for _ in range(100):
        requests.write([REFUSED] * 100)
    assert [len(lines.splitlines()) for lines in written[1:]] == [4100, 4100]


def test_an_answer_is_one_json_line_with_its_timings() -> None:
    (line,) = lines_of(ANSWERED._replace(trace_id="abc"))
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250000Z",
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
    (line,) = lines_of(REFUSED)
    found = json.loads(line)
    assert (found["message"], found["level"]) == ("refused", "warning")
    assert (found["code"], found["status"], found["model"]) == ("queue_full", 429, "parts")
    assert "trace_id" not in found


def test_text_is_for_people() -> None:
    bad = REFUSED._replace(code="invalid_image", status=400, by="rest")
    answer, refusal = lines_of(ANSWERED._replace(by="stream"), bad, log_format="text")
    assert answer.endswith(
        "INFO    takt.request: anomalous 0.75 (threshold 0.5) parts 3 stream 21.0 ms r1"
    )
    assert refusal.endswith("INFO    takt.request: 400 invalid_image parts rest r2")


def test_text_names_the_region_where_it_alone_decided_and_tells_close_numbers_apart() -> None:
    verdict = replace(ANSWERED.verdict, score=0.50000001, threshold=0.50000002)
    (answer,) = lines_of(ANSWERED._replace(verdict=verdict), log_format="text")
    assert "anomalous 0.50000001 (threshold 0.50000002, by a region) parts 3" in answer


@pytest.mark.parametrize(("status", "written"), [(400, 0), (404, 0), (429, 1), (503, 1), (500, 1)])
def test_of_level_warning_only_what_the_service_is_to_blame_for_is_written(
    level, status: int, written: int
) -> None:
    level(logging.WARNING)
    assert len(lines_of(ANSWERED, REFUSED._replace(status=status))) == written


def test_of_level_error_nothing_is_written(level) -> None:
    level(logging.ERROR)
    assert lines_of(ANSWERED, REFUSED) == []


def test_a_score_that_is_no_number_is_still_json() -> None:
    verdict = Verdict(False, float("nan"), float("inf"), None, ())
    (line,) = lines_of(ANSWERED._replace(verdict=verdict))
    assert json.loads(line)["score"] is None


def test_a_folder_s_name_that_is_no_utf_8_is_still_json() -> None:
    (line,) = lines_of(ANSWERED._replace(model="part\udcff"))
    assert json.loads(line)["model"] == "part\udcff"
