"""One line for each picture, whatever its protocol and outcome; never the picture itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from service.observing.logging_setup import LogFormat, Write
from service.observing.records import AnswerRecord, RefusalRecord

LOGGER = "takt.request"

Facts = dict[str, Any]


class RequestLog:
    """Writes lines in the form of the process's other messages.

    Answers and refusals that the caller is to blame for are of level `info`, refusals that the
    service is to blame for, or its load, of level `warning`.

    Args:
        write: takes whole lines.
        log_format: of a line.
    """

    def __init__(self, write: Write, log_format: LogFormat) -> None:
        self._write = write
        self._line = _json_line if log_format == "json" else _text_line
        self._logger = logging.getLogger(LOGGER)

    def write(self, records: Iterable[AnswerRecord | RefusalRecord]) -> None:
        """Write what the process's level lets through, in one go."""
        info = self._logger.isEnabledFor(logging.INFO)
        warning = self._logger.isEnabledFor(logging.WARNING)
        lines = []
        for record in records:
            if isinstance(record, AnswerRecord):
                if info:
                    lines.append(self._line(_of_answer(record)))
            elif warning if _is_ours(record) else info:
                lines.append(self._line(_of_refusal(record)))
        if lines:
            self._write("\n".join(lines))


def _is_ours(refused: RefusalRecord) -> bool:
    return refused.status >= 500 or refused.status == 429


def _of_answer(answered: AnswerRecord) -> Facts:
    verdict = answered.verdict
    facts: Facts = {
        "time": datetime.fromtimestamp(answered.at_s, UTC),
        "level": "info",
        "logger": LOGGER,
        "message": "answered",
        "request_id": answered.request_id,
        "protocol": answered.by,
        "model": answered.model,
        "version": answered.version,
        "verdict": "anomalous" if verdict.anomalous else "good",
        "score": verdict.score,
        "threshold": verdict.threshold,
        "regions": len(verdict.regions),
        "width": answered.width,
        "height": answered.height,
        "timings": answered.timings,
    }
    if answered.trace_id is not None:
        facts["trace_id"] = answered.trace_id
    return facts


def _of_refusal(refused: RefusalRecord) -> Facts:
    facts: Facts = {
        "time": datetime.fromtimestamp(refused.at_s, UTC),
        "level": "warning" if _is_ours(refused) else "info",
        "logger": LOGGER,
        "message": "refused",
        "request_id": refused.request_id,
        "protocol": refused.by,
        "model": refused.model,
        "code": refused.code,
        "status": refused.status,
    }
    if refused.trace_id is not None:
        facts["trace_id"] = refused.trace_id
    return facts


def _json_line(facts: Facts) -> str:
    try:
        # orjson writes the timings' dataclass by itself.
        return orjson.dumps(facts, option=orjson.OPT_UTC_Z).decode()
    except TypeError:
        # The name of a folder that is no UTF-8.
        return json.dumps(facts, default=str)


def _text_line(facts: Facts) -> str:
    time: datetime = facts["time"]
    stamp = time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    start = f"{stamp},{time.microsecond // 1000:03d} {facts['level'].upper():7s} {LOGGER}: "
    if facts["message"] == "refused":
        what = f"{facts['status']} {facts['code']} {facts['model']} {facts['protocol']}"
    else:
        what = (
            f"{facts['verdict']} {facts['score']:.6g} (threshold {facts['threshold']:.6g}) "
            f"{facts['model']} {facts['version']} {facts['protocol']} "
            f"{facts['timings'].total_ms:.1f} ms"
        )
    return f"{start}{what} {facts['request_id']}"
