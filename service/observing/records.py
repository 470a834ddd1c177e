"""What is kept of a picture's end until it is counted and written: never the picture."""

from __future__ import annotations

from typing import NamedTuple

from service.domain import ProtocolName, Timings, Verdict


class AnswerRecord(NamedTuple):
    """A picture that was inspected.

    A named tuple, as one is made for each picture and a frozen dataclass takes three times as long.

    Attributes:
        model: that answered.
        version: of it.
        verdict: likewise.
        width: of the picture, in pixels.
        height: likewise.
        timings: by stage.
        by: how the picture came.
        request_id: of the request, or of the frame.
        trace_id: if it is traced.
        at_s: when, in Unix time.
    """

    model: str
    version: str
    verdict: Verdict
    width: int
    height: int
    timings: Timings
    by: ProtocolName
    request_id: str
    trace_id: str | None
    at_s: float


class RefusalRecord(NamedTuple):
    """A picture that was answered by an error.

    Attributes:
        model: that was asked, or `unknown`.
        code: of the error.
        status: likewise, as HTTP has it.
        by: how the picture came.
        request_id: of the request, or of the frame.
        trace_id: if it is traced.
        at_s: when, in Unix time.
    """

    model: str
    code: str
    status: int
    by: ProtocolName
    request_id: str
    trace_id: str | None
    at_s: float
