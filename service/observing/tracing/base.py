"""What the service asks of traces, and which one a picture belongs to; docs/tracing.md."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from service.domain import Inspection

Scope = MutableMapping[str, Any]
"""A connection's, as ASGI has it."""

TracingKind = Literal["off", "otlp"]


class Trace(Protocol):
    """The span of a request that inspects, or of a stream's frame; only where it is recorded."""

    @property
    def trace_id(self) -> str:
        """Of the trace that it belongs to: 32 hexadecimal digits."""

    @property
    def header(self) -> tuple[bytes, bytes]:
        """The response header that names the span: `traceresponse`, as W3C drafts it."""

    def answered(self, inspection: Inspection) -> None:
        """Note an answer, as soon as it is there; a request of many pictures has many."""

    def failed(self, code: str, status: int) -> None:
        """Note the error that was the answer; of several the first one counts."""

    def end(self, request_id: str, status: int | None = None) -> None:
        """Once everything is sent; `status` is the response's, None where none was begun."""


class FrameTraces(Protocol):
    """The traces of one stream's frames."""

    def of(self, sequence: int, age_ms: float, request_id: str) -> AbstractContextManager[None]:
        """For as long as it is told what became of a frame that came so long ago."""


class Tracing(Protocol):
    """Records spans; no method raises, or waits for what takes the spans, but `close`."""

    def request(self, scope: Scope) -> Trace | None:
        """Begin the span of an HTTP request; None unless it inspects and is recorded."""

    def stream(self, scope: Scope, model: str) -> FrameTraces:
        """What traces the frames of a stream that this handshake began."""

    async def close(self, timeout_s: float) -> None:
        """Send what is recorded, and stop; what is not taken by then is lost."""


_CURRENT: ContextVar[Trace | None] = ContextVar("takt_trace", default=None)


def current_trace() -> Trace | None:
    """That of the request or frame that the caller is at work for, where it is recorded."""
    return _CURRENT.get()


@contextmanager
def use_trace(trace: Trace) -> Iterator[None]:
    """Within, and in tasks that are begun within, this is the current trace."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)
