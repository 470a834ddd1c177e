"""Errors for what a server or a connection did wrong, and whether to try again."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed, InvalidStatus

from takt_client import errors
from takt_client.errors import (
    DeadlineExceededError,
    ImageTooLargeError,
    QueueFullError,
    RequestError,
    TaktError,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
)

_SHOWN_BYTES = 200
_TRY_AGAIN = (429, 503)
_OF_PROXIES = (502, 503, 504)
"""Statuses by which a proxy says that its server is away; those of Takt come with a problem."""

_WRONG, _TOO_BIG = 1008, 1009
_STOPPING = (1001, 1012)
"""WebSocket's close codes."""

_PLAINLY = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.ECONNRESET: "the connection was lost",
    errno.ETIMEDOUT: "nobody answers there",
}
"""Words for what operating systems say in theirs."""

_BY_CODE = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TaktError)
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reason why there is no answer.

    Attributes:
        error: for the caller.
        again: whether the same request may succeed later.
        retry_after_s: seconds that the server asks to wait; None if it names none.
    """

    error: TaktError
    again: bool
    retry_after_s: float | None = None


def refusal_of(status: int, body: bytes, retry_after: str | None = None) -> Refusal:
    """Meaning of a response that is no success.

    Args:
        status: of HTTP.
        body: a problem+json, or whatever a proxy on the way has answered.
        retry_after: value of that header.
    """
    retry_after_s = _seconds(retry_after)
    again = status in _TRY_AGAIN
    try:
        problem = json.loads(body)
        code, detail = problem["code"], problem["detail"]
        title, request_id = problem["title"], problem.get("request_id")
    except (ValueError, TypeError, KeyError, AttributeError):
        if status in _OF_PROXIES:
            reason = f"a proxy on the way has no answer from it ({status})"
            away = UnreachableError(f"no answer from the server: {reason}; is it running?", reason)
            return Refusal(away, again=True, retry_after_s=retry_after_s)
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
    """Error for a server's problem; where the code is unknown, the one of its status."""
    known = _BY_CODE.get(code)
    if known is not None and issubclass(known, QueueFullError):
        return known(detail, round(retry_after_s or 0))
    if known is not None:
        return known(detail)
    family = RequestError if status < 500 else TaktError
    family = UnavailableError if status in _TRY_AGAIN else family
    return family(f"{title} ({status}, {code}): {detail}")


def unreachable(url: str, cause: Exception) -> Refusal:
    """Refusal for a connection that failed; inspecting changes nothing, so it may be repeated.

    Certificates do not mend themselves, and are not tried again.
    """
    if (untrusted := _untrusted(url, cause)) is not None:
        return Refusal(untrusted, again=False)
    reason = _plain_reason(cause)
    error = UnreachableError(
        f"no answer from {url}: {reason}; is the server running there?", reason
    )
    error.__cause__ = cause
    return Refusal(error, again=True)


def _plain_reason(cause: Exception) -> str:
    """Why there is no connection, in words for people.

    >>> _plain_reason(OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1)"))
    'nothing listens there (connection refused)'
    """
    for error in _chain(cause):
        if isinstance(error, ConnectionClosed):
            if error.rcvd is None:
                return _PLAINLY[errno.ECONNRESET]
            if error.rcvd.code in _STOPPING:
                return "the server stops or restarts"
            said = f"{error.rcvd.code} {error.rcvd.reason}".strip()
            return f"the server closed the stream ({said})"
        if isinstance(error, socket.gaierror):
            return "no host of that name is known"
        if isinstance(error, TimeoutError):
            return _PLAINLY[errno.ETIMEDOUT]
        if isinstance(error, OSError):
            # Of several addresses' errors asyncio keeps the texts alone.
            texts = re.findall(r"Errno (\d+)", str(error)) if error.errno is None else []
            numbers: set[int | None] = {int(text) for text in texts} or {error.errno}
            number = numbers.pop()
            if number is not None and not numbers:
                return _PLAINLY.get(number) or os.strerror(number)
    return str(cause) or type(cause).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, each before its own cause."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _chain(one)
        error = error.__cause__ or error.__context__


def _untrusted(url: str, cause: Exception) -> UnreachableError | None:
    """Error for a connection that certificates prevented; None if it failed otherwise."""
    found = next((error for error in _chain(cause) if isinstance(error, ssl.SSLError)), None)
    if isinstance(found, ssl.SSLCertVerificationError):
        error = UnreachableError(
            f"the certificate of {url} is not trusted: {found.verify_message}; give cafile, the "
            "authority that signed it, and the host's name as the certificate has it"
        )
    elif found is not None and "ALERT_" in (found.reason or "") and "CERT" in found.reason:
        error = UnreachableError(
            f"{url} takes no client without a certificate that it trusts; give certfile"
        )
    else:
        return None
    error.__cause__ = cause
    return error


def overdue(url: str, cause: Exception) -> Refusal:
    """Refusal for an answer that was not whole before the call's deadline."""
    error = DeadlineExceededError(
        f"no whole answer from {url} before the call's deadline; raise deadline_s, or add servers"
    )
    error.__cause__ = cause
    return Refusal(error, again=False)


def refused_opening(url: str, error: Exception) -> Refusal:
    """Refusal for a stream that could not be opened."""
    if isinstance(error, UnavailableError):
        return Refusal(error, again=True)
    if isinstance(error, InvalidStatus):
        response = error.response
        retry_after = response.headers.get("Retry-After")
        return refusal_of(response.status_code, bytes(response.body or b""), retry_after)
    return lost(url, error) if isinstance(error, ConnectionClosed) else unreachable(url, error)


def lost(url: str, closed: ConnectionClosed) -> Refusal:
    """Refusal for an open stream whose connection was closed."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
    if code == _TOO_BIG:
        return Refusal(
            ImageTooLargeError("the server takes no frames of that size; send smaller pictures"),
            again=False,
        )
    if code == _WRONG:
        return Refusal(RequestError(f"the server ended the stream: {reason}"), again=False)
    return unreachable(url, closed)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a `Retry-After`; None for a date, which is for browsers."""
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return float(retry_after)
