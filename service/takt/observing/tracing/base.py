"""What the service needs of a trace, and the current one; docs/tracing.md describes the spans."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from takt.core.domain import Inspection

Scope = MutableMapping[str, Any]
"""Scope of a connection, as ASGI has it."""

TracingKind = Literal["off", "otlp"]


class Trace(Protocol):
    """The span of a request that inspects, or of a stream's frame; there only if recorded."""

    @property
    def trace_id(self) -> str:
        """Id of the trace: 32 hexadecimal digits."""

    @property
    def header(self) -> tuple[bytes, bytes]:
        """The response header `traceresponse`, as W3C drafts it, which names the span."""

    def answered(self, inspection: Inspection) -> None:
        """Note an answer as soon as it is there; a request of many pictures has many."""

    def failed(self, code: str, status: int) -> None:
        """Note the error that was the answer; the first of several counts."""

    def end(self, request_id: str, status: int | None = None) -> None:
        """End the span once everything is sent.

        Args:
            request_id: id of the request, or of the frame.
            status: status of the response; None if none was begun.
        """


class FrameTraces(Protocol):
    """The traces of one stream's frames."""

    def of(self, sequence: int, age_ms: float, request_id: str) -> AbstractContextManager[None]:
        """The span of a frame that came `age_ms` ago, for the time in which its outcome is sent."""


class Tracing(Protocol):
    """Records spans; no method raises, and none but `close` waits for the collector."""

    def request(self, scope: Scope) -> Trace | None:
        """Begin the span of an HTTP request; None if it does not inspect or is not recorded."""

    def stream(self, scope: Scope, model: str) -> FrameTraces:
        """The traces of the frames of the stream that this handshake began."""

    async def close(self, timeout_s: float) -> None:
        """Send what is recorded, and stop; what the collector has not taken by then is lost."""


_CURRENT: ContextVar[Trace | None] = ContextVar("takt_trace", default=None)


def current_trace() -> Trace | None:
    """The trace of the caller's request or frame; None if it is not recorded."""
    return _CURRENT.get()


@contextmanager
def use_trace(trace: Trace) -> Iterator[None]:
    """Makes this the current trace within, and in tasks that are begun within."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)
