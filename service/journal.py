"""What became of each picture, told to all that keep count of it, by every protocol alike."""

from __future__ import annotations

from service.domain import Inspection, Protocol
from service.errors import TaktError
from service.metrics import Metrics
from service.request_log import RequestLog
from service.tracing.base import current_trace

UNKNOWN = "unknown"
"""A model's label where there is none of that name: names from outside have no end."""


class Journal:
    """Tells metrics, the request log and the current trace of answers and refusals.

    Args:
        metrics: count.
        requests: has a line for each, if lines are wanted.
    """

    def __init__(self, metrics: Metrics, requests: RequestLog | None = None) -> None:
        self._metrics = metrics
        self._requests = requests

    def answered(self, inspection: Inspection, by: Protocol, request_id: str) -> None:
        """A picture was inspected."""
        self._metrics.answered(inspection, by, request_id)
        trace = current_trace()
        if trace is not None:
            trace.answered(inspection)
        if self._requests is not None:
            trace_id = None if trace is None else trace.trace_id
            self._requests.answered(inspection, by, request_id, trace_id)

    def refused(self, model: str, by: Protocol, error: Exception, request_id: str) -> None:
        """A picture was answered by an error; of a foreign one nothing is told.

        Args:
            model: one that there is, or UNKNOWN.
            by: how the picture came.
            error: what answered it.
            request_id: of the request.
        """
        known = error if isinstance(error, TaktError) else TaktError()
        self.failed(model, by, known.code, known.status, request_id)

    def failed(self, model: str, by: Protocol, code: str, status: int, request_id: str) -> None:
        """A picture was answered by an error of this code and status."""
        self._metrics.refused(model, by, code)
        trace = current_trace()
        if trace is not None:
            trace.failed(code, status)
        if self._requests is not None:
            trace_id = None if trace is None else trace.trace_id
            self._requests.refused(model, by, code, status, request_id, trace_id)

    def close(self) -> None:
        """Write what waits to be written."""
        if self._requests is not None:
            self._requests.flush()
