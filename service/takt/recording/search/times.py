"""Points in time as people and programs write them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from takt.core.errors import InvalidParameterError

EXAMPLES: Final = "2026-03-01T06:00:00Z, 2026-03-01T07:00:00+01:00, or -24h for 24 hours ago"

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BACK: Final = re.compile(r"-(\d{1,6})([smhdw])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Now, in µs of Unix time."""
    return time.time_ns() // 1000


def us_of(text: str, now: datetime) -> int:
    """A point in time in µs of Unix time.

    >>> us_of("1970-01-01T01:00:00+01:00", _EPOCH), us_of("-1s", _EPOCH)
    (0, -1000000)

    Args:
        text: ISO 8601 with a zone; or a time before now, as a number of s, m, h, d or w.
        now: with a zone.

    Raises:
        InvalidParameterError: it is neither.
    """
    try:
        if (back := _BACK.fullmatch(text)) is not None:
            at = now - timedelta(**{_UNITS[back[2]]: int(back[1])})
        else:
            # In a query, a + that was not written as %2B arrives as a space.
            at = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
        if at.tzinfo is None:
            raise InvalidParameterError(f"{text} has no zone; write {EXAMPLES}")
        return us_of_time(at)
    except (ValueError, OverflowError):
        raise InvalidParameterError(f"{text!r} is no point in time; write {EXAMPLES}") from None


def time_of(at_us: int) -> datetime:
    """The time in UTC of µs of Unix time."""
    return _EPOCH + timedelta(microseconds=at_us)


def us_of_time(at: datetime) -> int:
    """The µs of Unix time of a time with a zone."""
    return (at - _EPOCH) // timedelta(microseconds=1)
