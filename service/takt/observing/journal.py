"""Hands each picture's outcome to the outlets, the metrics, the request log and the trace.

A request notes its outcome and goes on. Counting and writing follow for many outcomes at once,
which takes a fraction of the time that one at a time would take.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from takt.core.domain import Inspection, ProtocolName
from takt.core.errors import TaktError
from takt.observing.instruments.metrics import Metrics
from takt.observing.records import (
    NOTHING_ASKED,
    AnswerRecord,
    Asked,
    Ledger,
    Outlet,
    RefusalRecord,
)
from takt.observing.request_log import RequestLog
from takt.observing.tracing.base import current_trace

UNKNOWN = "unknown"
"""Label of a model that does not exist; its name comes from outside, and such names have no end."""

EVERY_S = 0.25
"""Longest time for which an outcome waits to be counted and written."""

_MOST_PENDING = 128
"""Most outcomes that wait to be counted, which takes the event loop half a millisecond."""

logger = logging.getLogger("takt.observing")


class Journal:
    """Notes answers and refusals; used on one event loop.

    >>> async def refuse(journal: Journal) -> None:
    ...     journal.failed("screw", "rest", "queue_full", 429, "r1")
    ...     journal.settle()
    >>> asyncio.run(refuse(Journal(Metrics())))

    Args:
        metrics: counts the outcomes.
        requests: writes a line for each, if lines are wanted.
        outlets: take answers with their pictures, in this order.
        ledger: has every answer before it goes out; None where no answer waits for the record.
    """

    def __init__(
        self,
        metrics: Metrics,
        requests: RequestLog | None = None,
        outlets: Sequence[Outlet] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self._metrics = metrics
        self._requests = requests
        self._outlets = outlets
        self._ledger = ledger
        self._pending: list[AnswerRecord | RefusalRecord] = []
        self._awaited = False

    @property
    def has_outlets(self) -> bool:
        """Whether answers go anywhere else, so that their pictures are kept until they are out."""
        return bool(self._outlets) or self._ledger is not None

    @property
    def commits(self) -> bool:
        """Whether answers wait until the record has them; `commit` does nothing otherwise."""
        return self._ledger is not None

    async def commit(
        self,
        answers: Sequence[tuple[Inspection, Asked]],
        by: ProtocolName,
        request_id: str,
        timeout_s: float,
    ) -> None:
        """Have the record take answers before they go out, where answers wait for that.

        Args:
            answers: of one request, with what came with each.
            by: protocol by which it came.
            request_id: id of the request, or of the frame.
            timeout_s: of the request, which its inspections have used a part of.

        Raises:
            RecordError: it has not; the answers are to be withheld.
        """
        if self._ledger is None:
            return
        used_s = max(inspection.timings.total_ms for inspection, _ in answers) / 1000
        trace = current_trace()
        trace_id = None if trace is None else trace.trace_id
        records = [
            (_record_of(inspection, by, request_id, trace_id, asked), asked)
            for inspection, asked in answers
        ]
        await self._ledger.commit(records, timeout_s - used_s)

    def answered(
        self,
        inspection: Inspection,
        by: ProtocolName,
        request_id: str,
        asked: Asked = NOTHING_ASKED,
    ) -> None:
        """Note the answer to a picture."""
        trace, trace_id = current_trace(), None
        if trace is not None:
            trace.answered(inspection)
            trace_id = trace.trace_id
        answer = _record_of(inspection, by, request_id, trace_id, asked)
        self._note(answer)
        for outlet in self._outlets:
            try:
                outlet.note(answer, asked)
            except Exception:
                logger.exception("an answer is missing from an outlet")
                self._metrics.engines.counting_errors.labels(answer.model).inc()

    def refused(self, model: str, by: ProtocolName, error: Exception, request_id: str) -> None:
        """Note an error that answered a picture; a foreign one counts as an internal error.

        Args:
            model: name of a model that exists, or UNKNOWN.
            by: protocol by which the picture came.
            error: the error.
            request_id: id of the request, or of the frame.
        """
        known = error if isinstance(error, TaktError) else TaktError()
        self.failed(model, by, known.code, known.status, request_id)

    def failed(self, model: str, by: ProtocolName, code: str, status: int, request_id: str) -> None:
        """Note an error by its code and status; `refused` says the rest."""
        trace, trace_id = current_trace(), None
        if trace is not None:
            trace.failed(code, status)
            trace_id = trace.trace_id
        self._note(RefusalRecord(model, code, status, by, request_id, trace_id, time.time()))

    def settle(self, *, written: bool = True) -> None:
        """Count and write the outcomes so far; called before the metrics are read.

        An error in here is logged, and harms no answer.

        Args:
            written: whether their lines are written at once, or later.
        """
        pending, self._pending = self._pending, []
        for record in pending:
            try:
                if isinstance(record, AnswerRecord):
                    self._metrics.answered(record)
                else:
                    self._metrics.refused(record)
            except Exception:
                logger.exception("an outcome is missing from the metrics")
                self._metrics.engines.counting_errors.labels(record.model).inc()
        if self._requests is not None:
            try:
                self._requests.write(pending)
                if written:
                    self._requests.flush()
            except Exception:
                logger.exception("outcomes are missing from the request log")

    def _note(self, record: AnswerRecord | RefusalRecord) -> None:
        self._pending.append(record)
        if not self._awaited:
            self._awaited = True
            asyncio.get_running_loop().call_later(EVERY_S, self._settle_in_time)
        elif len(self._pending) >= _MOST_PENDING:
            self.settle(written=False)

    def _settle_in_time(self) -> None:
        self._awaited = False
        self.settle()


def _record_of(
    inspection: Inspection, by: ProtocolName, request_id: str, trace_id: str | None, asked: Asked
) -> AnswerRecord:
    # Not the inspection itself, which may hold pictures.
    return AnswerRecord(
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
        inspection.warnings,
        inspection.source,
        asked.labels.station,
        inspection.facts,
    )
