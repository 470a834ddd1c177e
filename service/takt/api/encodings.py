"""What a request says is UTF-8, or refused: two ids that cannot be read would be taken for one."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any
from urllib.parse import unquote_to_bytes

from takt.core.errors import InvalidParameterError

_UNREADABLE = "\ufffd"
"""Stands in a decoded path for what could not be decoded, and for itself."""

_ENCODED = "write it in UTF-8, and percent-encode what is not ASCII"

_BESIDE = frozenset({b"user-agent", b"referer", b"cookie"})
"""Headers that browsers write by themselves, with texts of others in encodings of others. No id is
read from them: of the cookies, ours is ASCII."""


_value_of = itemgetter(1)


def check_encodings(scope: Mapping[str, Any]) -> None:
    r"""Refuse a request whose path, query or headers are not UTF-8.

    >>> scope = {"path": "/\ufffd-18", "raw_path": b"/%C5-18", "headers": []}
    >>> check_encodings(scope)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.InvalidParameterError: the path is not UTF-8; ...

    Args:
        scope: of ASGI, of any kind.

    Raises:
        InvalidParameterError: says which of them.
    """
    path, query = scope["path"], scope.get("query_string", b"")
    if _UNREADABLE in path and not _is_utf8(unquote_to_bytes(scope.get("raw_path") or path)):
        raise _refusal("path", _ENCODED)
    if (b"%" in query or not query.isascii()) and not _is_utf8(unquote_to_bytes(query)):
        raise _refusal("query", _ENCODED)
    headers = scope["headers"]
    # One look at all of them costs less than one at each.
    if b"".join(map(_value_of, headers)).isascii():
        return
    for name, value in headers:
        if name not in _BESIDE and not _is_utf8(value):
            raise _refusal(f"header {name.decode('latin-1')}", "write it in UTF-8")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refusal(what: str, remedy: str) -> InvalidParameterError:
    return InvalidParameterError(f"the {what} is not UTF-8; {remedy}")
