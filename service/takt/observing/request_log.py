"""One line for each picture, whatever its protocol and outcome; never the picture itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from takt.digits import apart
from takt.observing.instruments.verdict_label import verdict_label
from takt.observing.logging_setup import LogFormat, Write, json_line
from takt.observing.records import AnswerRecord, RefusalRecord

LOGGER = "takt.request"

_MOST_UNWRITTEN = 4096
"""Most lines that wait to be handed over, which is not cheap: while the thread that writes them
waits for the interpreter, a busy event loop wakes it in vain after each of its callbacks."""

Facts = dict[str, Any]


class RequestLog:
    """Writes lines in the form of the process's other messages.

    Answers and the caller's errors are of level `info`; errors of the service, and refusals for
    its load, are of level `warning`.

    >>> refusal = RefusalRecord("screw", "queue_full", 429, "rest", "r1", None, at_s=0.0)
    >>> requests = RequestLog(lambda line: print(line[32:]), "text")
    >>> requests.write([refusal])
    >>> requests.flush()
    takt.request: 429 queue_full screw rest r1

    Args:
        write: takes whole lines.
        log_format: the form of a line.
    """

    def __init__(self, write: Write, log_format: LogFormat) -> None:
        self._write = write
        self._line = _json_line if log_format == "json" else _text_line
        self._logger = logging.getLogger(LOGGER)
        self._unwritten: list[str] = []

    def write(self, records: Iterable[AnswerRecord | RefusalRecord]) -> None:
        """Make the lines of the records that the process's level lets through.

        They are written by the next `flush`, or once there are many.
        """
        info = self._logger.isEnabledFor(logging.INFO)
        warning = self._logger.isEnabledFor(logging.WARNING)
        for record in records:
            ours = _is_ours(record)
            if warning if ours else info:
                self._unwritten.append(self._line(record, "warning" if ours else "info"))
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            self.flush()

    def flush(self) -> None:
        """Write the lines so far, in one go."""
        if self._unwritten:
            lines, self._unwritten = self._unwritten, []
            self._write("\n".join(lines))


def _is_ours(record: AnswerRecord | RefusalRecord) -> bool:
    """Whether the service is to blame, or its load."""
    return isinstance(record, RefusalRecord) and (record.status >= 500 or record.status == 429)


def _facts(record: AnswerRecord | RefusalRecord, level: str) -> Facts:
    facts: Facts = {
        "time": datetime.fromtimestamp(record.at_s, UTC),
        "level": level,
        "logger": LOGGER,
        "message": "answered" if isinstance(record, AnswerRecord) else "refused",
        "request_id": record.request_id,
        "protocol": record.by,
        "model": record.model,
    }
    if isinstance(record, AnswerRecord):
        verdict = record.verdict
        facts["version"] = record.version
        facts["verdict"] = verdict_label(verdict)
        if verdict.undecided is not None:
            facts["undecided"] = verdict.undecided.text
        facts["score"] = verdict.score
        facts["threshold"] = verdict.threshold
        facts["regions"] = len(verdict.regions)
        facts["width"] = record.width
        facts["height"] = record.height
        facts["timings"] = record.timings
    else:
        facts["code"] = record.code
        facts["status"] = record.status
    if record.trace_id is not None:
        facts["trace_id"] = record.trace_id
    return facts


def _json_line(record: AnswerRecord | RefusalRecord, level: str) -> str:
    # orjson writes the timings' dataclass by itself.
    return json_line(_facts(record, level))


def _text_line(record: AnswerRecord | RefusalRecord, level: str) -> str:
    second, at_us = divmod(round(record.at_s * 1_000_000), 1_000_000)
    start = f"{_stamp(second)},{at_us // 1000:03d} {level.upper():7s} {LOGGER}: "
    if isinstance(record, RefusalRecord):
        what = f"{record.status} {record.code} {record.model} {record.by}"
    else:
        verdict = record.verdict
        score, threshold = apart(verdict.score, verdict.threshold, digits=6)
        by_map = verdict.witness == "region"
        what = (
            f"{verdict_label(verdict)} {score} "
            f"(threshold {threshold}{', by a region' if by_map else ''}) {record.model} "
            f"{record.version} {record.by} {record.timings.total_ms:.1f} ms"
        )
    return f"{start}{what} {record.request_id}"


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    """A second of Unix time on this machine's clock, remembered for the many lines in it."""
    return datetime.fromtimestamp(second, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
