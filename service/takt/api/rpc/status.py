"""The statuses of gRPC that our errors become."""

from __future__ import annotations

import grpc

from takt.core.problem import Problem

_MOST_DETAIL = 1024
"""Longest text of an error; gRPC's clients refuse an answer with more than 8 KiB of metadata."""

# Others are INVALID_ARGUMENT where the caller can mend it, and UNAVAILABLE where time can.
_STATUSES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def status_of(problem: Problem) -> grpc.StatusCode:
    """The status for a problem, by the one that HTTP has for it.

    >>> from takt.core.errors import QueueFullError
    >>> status_of(Problem.of(QueueFullError("12 pictures wait")))
    <StatusCode.RESOURCE_EXHAUSTED: (8, 'resource exhausted')>
    """
    codes = grpc.StatusCode
    other = codes.INVALID_ARGUMENT if problem.status < 500 else codes.UNAVAILABLE
    return _STATUSES.get(problem.status, other)


def detail_of(problem: Problem) -> str:
    """The text of a problem; what a caller sent, and is told again, may be long."""
    detail = problem.detail
    return detail if len(detail) <= _MOST_DETAIL else f"{detail[: _MOST_DETAIL - 1]}…"


def metadata_of(problem: Problem) -> list[tuple[str, str]]:
    """What else HTTP says of a problem, under the same names."""
    headers = {name.lower(): value for name, value in problem.headers.items()}
    headers.pop("connection", None)
    return [("takt-code", problem.code), *headers.items()]
