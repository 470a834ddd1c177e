"""From what a server or a connection did wrong to the errors of `service.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from service.errors import (
    DeadlineExceededError,
    QueueFullError,
    RequestError,
    TaktError,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
)

_SHOWN_BYTES = 200
_TRY_AGAIN = (429, 503)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, and whether to ask again.

    Attributes:
        error: for the caller.
        again: whether the same request may succeed later.
        retry_after_s: the server's own word on when; None if it gave none.
    """

    error: TaktError
    again: bool
    retry_after_s: float | None = None


def refusal_of(status: int, body: bytes, retry_after: str | None = None) -> Refusal:
    """What a response that is no success means.

    Args:
        status: of HTTP.
        body: a problem+json, or whatever a proxy on the way has answered.
        retry_after: that header's value.
    """
    retry_after_s = _seconds(retry_after)
    again = status in _TRY_AGAIN
    try:
        problem = orjson.loads(body)
        code, detail = problem["code"], problem["detail"]
        title, request_id = problem["title"], problem.get("request_id")
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        shown = body[:_SHOWN_BYTES].decode(errors="replace")
        message = f"HTTP {status} without a problem that Takt would send: {shown!r}; check the URL"
        return Refusal(UnreadableAnswerError(message), again, retry_after_s)
    error = error_of(status, code, title, detail, retry_after_s)
    if request_id:
        error.add_note(f"request id {request_id}")
    return Refusal(error, again, retry_after_s)


def error_of(
    status: int, code: str, title: str, detail: str, retry_after_s: float | None = None
) -> TaktError:
    """The error that a server's problem stands for; of its status where the code is a new one."""
    if code == QueueFullError.code:
        return QueueFullError(detail, round(retry_after_s or 0))
    known = _BY_CODE.get(code)
    if known is not None:
        return known(detail)
    family = RequestError if status < 500 else TaktError
    family = UnavailableError if status in _TRY_AGAIN else family
    return family(f"{title} ({status}, {code}): {detail}")


def unreachable(url: str, cause: Exception) -> Refusal:
    """No connection, or one that broke; inspecting changes nothing, so it may be asked again."""
    reason = str(cause) or type(cause).__name__
    error = UnreachableError(f"no answer from {url}: {reason}; is the server running there?")
    error.__cause__ = cause
    return Refusal(error, again=True)


def overdue(url: str, cause: Exception) -> Refusal:
    """A connection on which no whole answer came while the call could wait."""
    error = DeadlineExceededError(
        f"no whole answer from {url} before the call's deadline; raise deadline_s, or add servers"
    )
    error.__cause__ = cause
    return Refusal(error, again=False)


def _tree(root: type[TaktError]) -> Iterator[type[TaktError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_CODE = {error.code: error for error in reversed(list(_tree(TaktError)))}


def _seconds(retry_after: str | None) -> float | None:
    """Of a `Retry-After` in seconds; the form with a date is for browsers and is not read."""
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return float(retry_after)
