"""Answers that a connection gives without asking the app."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from takt.api.problems import problem_response
from takt.core.errors import TaktError
from takt.security.headers import ANSWER_HEADERS


def refusal(
    error: TaktError,
    request_id: bytes | None = None,
    path: str = "",
    default_headers: Iterable[tuple[bytes, bytes]] = (),
) -> bytes:
    """A whole answer, after which the connection closes.

    Args:
        error: why.
        request_id: of the request; a new one if None.
        path: that was asked, if that is known.
        default_headers: that every answer of the server has.
    """
    request_id = request_id or uuid.uuid4().hex.encode()
    answer = problem_response(error, request_id.decode(), path)
    headers = dict([*answer.raw_headers, *ANSWER_HEADERS]) | {
        b"x-request-id": request_id,
        b"connection": b"close",
    }
    return whole_answer(answer.status_code, [*default_headers, *headers.items()], answer.body)


def whole_answer(
    status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes | memoryview
) -> bytes:
    """An answer as it is sent."""
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    return b"".join((STATUS_LINE[status], *lines, b"\r\n", body))
