"""Every code of an error, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from docs._reference.markdown import table
from takt.core import errors
from takt.core.errors import TaktError


def codes() -> str:
    """A row for each code that a caller may read: status, code, meaning, what to do."""
    found = sorted(_kinds(TaktError), key=lambda kind: (kind.status, kind.code))
    return table(
        ("status", "code", "what it means", "what to do"),
        (
            (
                f"{kind.status}",
                f"`{kind.code}`",
                (kind.__doc__ or "").partition("\n")[0],
                kind.remedy,
            )
            for kind in found
        ),
    )


def _kinds(kind: type[TaktError]) -> Iterator[type[TaktError]]:
    """The class and those below it, without those of other houses."""
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from _kinds(one)
