"""Settings of several parts: `rejects,near=0.1,sample=0.01`."""

from __future__ import annotations

from collections.abc import Collection

from takt.core.errors import ConfigurationError


def read_wishes(
    setting: str, text: str, *, numbers: Collection[str], flags: Collection[str] = ()
) -> dict[str, float]:
    """The parts of a setting by name; a flag has the value 1.

    >>> read_wishes("keep", "rejects,near=0.1", flags=("rejects",), numbers=("near",))
    {'rejects': 1.0, 'near': 0.1}

    Args:
        setting: name of the setting, for errors.
        text: its value.
        numbers: parts that have a number, which is not negative.
        flags: parts that have none.

    Raises:
        ConfigurationError: a part is unknown, comes twice, or has no such number.
    """
    known = ", ".join((*flags, *(f"{name}=NUMBER" for name in numbers)))
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        try:
            number = float(value) if equals else 1.0
        except ValueError:
            number = -1.0
        right = name in (numbers if equals else flags)
        if not right or name in found or not number >= 0:
            raise ConfigurationError(
                f"{setting}={text}: {part!r} is not understood; its parts are {known}"
            )
        found[name] = number
    if not found:
        raise ConfigurationError(f"{setting} is empty; its parts are {known}")
    return found
