"""What a connection waits for at a moment, how long it may, and how much may come meanwhile."""

from __future__ import annotations

from enum import Enum, auto

from takt.core.errors import HeadersTooLargeError, InvalidParameterError

MAX_HEADER_BYTES = 64 * 1024
"""Most bytes of a request's target and headers, of its trailers, and between parts of a body."""
MOST_PIPELINED = 32
"""Most requests that may be sent ahead of their answers."""
HEADERS_WITHIN_S = 10.0
"""Longest time from the connection, or from a later request's first byte, to its last header."""
REST_WITHIN_S = 30.0
"""Longest time for the rest of a body that was answered before its end."""
LINGER_S = 2.0
"""Longest time for a client that is still sending to read why it was refused, or cut off."""
HEADERS_IDLE_S = 0.25
"""Time after which a connection without whole headers makes room for others."""
IDLE_S = 5.0
"""Time after the last answer after which a connection makes room for others."""


class ConnectionStage(Enum):
    """What a connection is waiting for."""

    HEADERS = auto()
    """No whole headers came yet."""
    WORKING = auto()
    """A request is being read or answered; the app has its own deadlines."""
    REST = auto()
    """The answer is out, and the rest of the body still comes."""
    IDLE = auto()
    """The next request may come; uvicorn closes it after its keep-alive time."""
    LEAVING = auto()
    """The last answer is out, and the client may read it."""


WITHIN_S = {
    ConnectionStage.HEADERS: HEADERS_WITHIN_S,
    ConnectionStage.REST: REST_WITHIN_S,
    ConnectionStage.LEAVING: LINGER_S,
}


class PipelinedError(Exception):
    """More requests came than may wait for their answers."""


def headers_too_large() -> HeadersTooLargeError:
    """The refusal of too large a head."""
    return HeadersTooLargeError(
        f"the request's headers exceed {MAX_HEADER_BYTES} bytes; send fewer"
    )


def not_url() -> InvalidParameterError:
    """The refusal of a target that is no URL, such as one with bytes that are not ASCII."""
    return InvalidParameterError(
        "the request's target is no URL; write it in UTF-8, and percent-encode what is not ASCII"
    )
