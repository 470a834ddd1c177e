"""Refusals that end a run, as the same request would meet them again and again."""

from __future__ import annotations

from takt_client.errors import RequestError, TaktError

_MAY_PASS = (408, 409, 425, 429, 499)
"""Statuses below 500 that have to do with the moment and not with the request."""

_OF_THE_PICTURE = (400, 413, 415)


def is_final(status: int) -> bool:
    """Whether a request that got this status would get it again.

    >>> [status for status in (0, 200, 301, 401, 404, 413, 429, 503) if is_final(status)]
    [301, 401, 404, 413]
    """
    return 300 <= status < 500 and status not in _MAY_PASS


def of_picture(error: TaktError, status: int, name: str) -> TaktError:
    """The error of a final refusal; names the picture where the picture is at fault.

    >>> from takt_client.errors import ImageTooLargeError
    >>> str(of_picture(ImageTooLargeError("it has too many bytes"), 413, "line/7.png"))
    'line/7.png: it has too many bytes'
    """
    return RequestError(f"{name}: {error}") if status in _OF_THE_PICTURE and name else error
