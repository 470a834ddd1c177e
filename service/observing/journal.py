"""What became of each picture, told to all that keep count of it, by every protocol alike.

A picture's way notes it down and goes on; counting and writing follow for many at once, which takes
a fraction of the time that it takes for each between two others.
"""

from __future__ import annotations

import asyncio
import time

from service.domain import Inspection, ProtocolName
from service.errors import TaktError
from service.observing.metrics import Metrics
from service.observing.records import AnswerRecord, RefusalRecord
from service.observing.request_log import RequestLog
from service.observing.tracing.base import current_trace

UNKNOWN = "unknown"
"""A model's label where there is none of that name: names from outside have no end."""

EVERY_S = 0.1
"""Longest time that what happened waits to be counted and written."""

_MANY = 128
"""What waits at most: settling them takes the event loop half a millisecond."""


class Journal:
    """Tells metrics, the request log and the current trace of answers and refusals.

    Used on one event loop.

    Args:
        metrics: count.
        requests: has a line for each, if lines are wanted.
    """

    def __init__(self, metrics: Metrics, requests: RequestLog | None = None) -> None:
        self._metrics = metrics
        self._requests = requests
        self._pending: list[AnswerRecord | RefusalRecord] = []
        self._awaited = False

    def answered(self, inspection: Inspection, by: ProtocolName, request_id: str) -> None:
        """A picture was inspected."""
        trace, trace_id = current_trace(), None
        if trace is not None:
            trace.answered(inspection)
            trace_id = trace.trace_id
        # Not the inspection itself, which may hold pictures.
        self._note(
            AnswerRecord(
                inspection.model,
                inspection.version,
                inspection.verdict,
                inspection.width,
                inspection.height,
                inspection.timings,
                by,
                request_id,
                trace_id,
                time.time(),
            )
        )

    def refused(self, model: str, by: ProtocolName, error: Exception, request_id: str) -> None:
        """A picture was answered by an error; of a foreign one nothing is told.

        Args:
            model: one that there is, or UNKNOWN.
            by: how the picture came.
            error: what answered it.
            request_id: of the request.
        """
        known = error if isinstance(error, TaktError) else TaktError()
        self.failed(model, by, known.code, known.status, request_id)

    def failed(self, model: str, by: ProtocolName, code: str, status: int, request_id: str) -> None:
        """A picture was answered by an error of this code and status."""
        trace, trace_id = current_trace(), None
        if trace is not None:
            trace.failed(code, status)
            trace_id = trace.trace_id
        self._note(RefusalRecord(model, code, status, by, request_id, trace_id, time.time()))

    def settle(self) -> None:
        """Count and write what has happened so far; whoever reads the metrics asks for it first."""
        pending, self._pending = self._pending, []
        for record in pending:
            if isinstance(record, AnswerRecord):
                self._metrics.answered(record)
            else:
                self._metrics.refused(record)
        if self._requests is not None:
            self._requests.write(pending)

    def _note(self, record: AnswerRecord | RefusalRecord) -> None:
        self._pending.append(record)
        if not self._awaited:
            self._awaited = True
            asyncio.get_running_loop().call_later(EVERY_S, self._settle_in_time)
        elif len(self._pending) >= _MANY:
            self.settle()

    def _settle_in_time(self) -> None:
        self._awaited = False
        self.settle()
