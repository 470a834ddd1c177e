"""Bounds of what comes before a request is whole, and what is said where they are exceeded."""

from __future__ import annotations

from service.errors import HeadersTooLargeError

MAX_HEADER_BYTES = 64 * 1024
"""Most bytes of a request's target and headers, of its trailers, and between parts of a body."""
MOST_PIPELINED = 32
"""Most requests that may be sent ahead of their answers."""


class PipelinedError(Exception):
    """More requests came than may wait for their answers."""


def headers_too_large() -> HeadersTooLargeError:
    """The refusal of too large a head."""
    return HeadersTooLargeError(
        f"the request's headers exceed {MAX_HEADER_BYTES} bytes; send fewer"
    )
