"""What is published where."""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

from takt.core.errors import ConfigurationError

NO_STATION = "-"
"""The level of a station where the caller names none."""

_LONGEST = 200
_PREFIX = re.compile(r"[^/+#$\x00-\x1f][^/+#\x00-\x1f]*(/[^/+#\x00-\x1f]+)*")
_SAFE = " !\"$&'()*,:;<=>?@[\\]^`{|}"


class Topics:
    """The topics of one server.

    >>> topics = Topics("takt/line3")
    >>> topics.verdict("press/1", "screw"), topics.verdict(None, "screw"), topics.status("0")
    ('takt/line3/press%2F1/screw/verdict', 'takt/line3/-/screw/verdict', 'takt/line3/status/0')

    Args:
        prefix: what all begin with.

    Raises:
        ConfigurationError: no topic can begin so.
    """

    def __init__(self, prefix: str) -> None:
        is_one = _PREFIX.fullmatch(prefix) is not None and not any(map(_is_refused, prefix))
        if len(prefix) > _LONGEST or not is_one:
            raise ConfigurationError(
                f"mqtt_topic is {prefix!r}; write levels with / between them, such as "
                "takt/line3, without +, # and a / at either end"
            )
        self._prefix = prefix

    def verdict(self, station: str | None, model: str) -> str:
        """Where the verdicts of a model at a station go."""
        return f"{self._prefix}/{_level(station)}/{model}/verdict"

    def part(self, station: str | None, recipe: str) -> str:
        """Where the results of parts by a recipe at a station go."""
        return f"{self._prefix}/{_level(station)}/parts/{recipe}/verdict"

    def status(self, worker: str) -> str:
        """Where it stands, retained, whether a process of the server is there."""
        return f"{self._prefix}/status/{worker}"


@functools.lru_cache(1024)
def _level(station: str | None) -> str:
    """A station as one level: what has a meaning in topics is written as in a URL."""
    if station is None:
        return NO_STATION
    if station == NO_STATION:
        return "%2D"
    if station.isascii() and station.isalnum():
        return station
    return "".join(
        quote(one, safe=_SAFE) if one.isascii() or _is_refused(one) else one for one in station
    )


def _is_refused(one: str) -> bool:
    """Whether a broker may end the connection at a topic with it: controls and noncharacters.

    It would do so each time that the message is sent again, and no other would ever be delivered.
    """
    code = ord(one)
    return 0x7F <= code <= 0x9F or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
