"""One line for each picture, whatever its protocol and outcome; never the picture itself.

A line takes some microseconds: it is made at once, and written with those of the next moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from service.domain import Inspection, Protocol
from service.log import LogFormat

LOGGER = "takt.request"
EVERY_S = 0.1
"""Longest time that a line waits to be written."""

_MANY_LINES = 256

Write = Callable[[bytes], object]


class RequestLog:
    """Writes lines in the form of the process's other messages; used on one event loop.

    Answers and refusals that the caller is to blame for are of level `info`, refusals that the
    service is to blame for, or its load, of level `warning`.

    Args:
        write: takes whole lines.
        log_format: of a line.
    """

    def __init__(self, write: Write, log_format: LogFormat) -> None:
        self._write = write
        self._line = _json_line if log_format == "json" else _text_line
        self._lines: list[bytes] = []
        self._logger = logging.getLogger(LOGGER)

    def answered(
        self, inspection: Inspection, by: Protocol, request_id: str, trace_id: str | None
    ) -> None:
        """A picture was inspected."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        verdict = inspection.verdict
        facts = {
            "time": datetime.now(UTC),
            "level": "info",
            "logger": LOGGER,
            "message": "answered",
            "request_id": request_id,
            "protocol": by,
            "model": inspection.model,
            "version": inspection.version,
            "verdict": "anomalous" if verdict.anomalous else "good",
            "score": verdict.score,
            "threshold": verdict.threshold,
            "regions": len(verdict.regions),
            "width": inspection.width,
            "height": inspection.height,
            "timings": inspection.timings,
        }
        if trace_id is not None:
            facts["trace_id"] = trace_id
        self._add(self._line(facts))

    def refused(
        self,
        model: str,
        by: Protocol,
        code: str,
        status: int,
        request_id: str,
        trace_id: str | None,
    ) -> None:
        """A picture was answered by an error."""
        ours = status >= 500 or status == 429
        if not self._logger.isEnabledFor(logging.WARNING if ours else logging.INFO):
            return
        facts = {
            "time": datetime.now(UTC),
            "level": "warning" if ours else "info",
            "logger": LOGGER,
            "message": "refused",
            "request_id": request_id,
            "protocol": by,
            "model": model,
            "code": code,
            "status": status,
        }
        if trace_id is not None:
            facts["trace_id"] = trace_id
        self._add(self._line(facts))

    def flush(self) -> None:
        """Write what waits."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(b"\n".join(lines) + b"\n")

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(EVERY_S, self.flush)
        elif len(self._lines) >= _MANY_LINES:
            self.flush()


def _json_line(facts: dict[str, Any]) -> bytes:
    # orjson writes the timings' dataclass by itself.
    return orjson.dumps(facts, option=orjson.OPT_UTC_Z)


def _text_line(facts: dict[str, Any]) -> bytes:
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
    return f"{start}{what} {facts['request_id']}".encode()
