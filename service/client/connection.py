"""How a stream's connection is opened, and what its end means."""

from __future__ import annotations

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from service.client.failures import Refusal, refusal_of, unreachable
from service.errors import ImageTooLargeError, RequestError, UnavailableError

OPENING_FAILURES = (OSError, WebSocketException, UnavailableError)
"""What opening a connection and saying hello may raise, beside errors that are final."""

HANDSHAKE_S = 10.0
"""Longest attempt to open a connection and be welcomed; a silent server is then tried again."""

MOST_FRUITLESS = 3
"""Connections in a row that may be lost while frames are under way and not a word comes on them.

A frame that makes the server hang up would be sent for ever otherwise."""

LEFT = "the stream has been left by its `with`; open another one"

_WRONG = 1008
_TOO_BIG = 1009


def refused_opening(url: str, error: Exception) -> Refusal:
    """What it means that a stream could not be opened."""
    if isinstance(error, UnavailableError):
        return Refusal(error, again=True)
    if isinstance(error, InvalidStatus):
        response = error.response
        retry_after = response.headers.get("Retry-After")
        return refusal_of(response.status_code, bytes(response.body or b""), retry_after)
    if isinstance(error, ConnectionClosed):
        return lost(url, error)
    return unreachable(url, error)


def lost(url: str, closed: ConnectionClosed) -> Refusal:
    """What it means that an open stream was closed."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
    if code == _TOO_BIG:
        return Refusal(
            ImageTooLargeError("the server takes no frames of that size; send smaller pictures"),
            again=False,
        )
    if code == _WRONG:
        return Refusal(RequestError(f"the server ended the stream: {reason}"), again=False)
    return unreachable(url, closed)
