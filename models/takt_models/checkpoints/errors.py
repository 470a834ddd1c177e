"""Errors of reading a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_NAME = 120


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UnsafeCheckpointError(CheckpointError):
    """A pickle that names code which loading it would run."""


class UnsetStatisticsError(CheckpointError):
    """A model whose training ended before it measured the statistics."""


def few(names: Iterable[str], shown: int = 3) -> str:
    """Names for a message: the first ones in order, and the count of the others.

    >>> few(["b", "c", "a"], shown=2)
    'a, b and 1 more'
    """
    ordered = sorted(name[:LONGEST_NAME] for name in names)
    more = len(ordered) - shown
    return (", ".join(ordered[:shown]) or "none") + (f" and {more} more" if more > 0 else "")


def printable(text: str) -> str:
    """The text without signs that control a terminal, which names in a file may contain."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
