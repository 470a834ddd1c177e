"""Inspections as lines of a table, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from takt.commands.columns import plain
from takt.digits import apart

if TYPE_CHECKING:
    from takt.core.domain import VerdictName
    from takt.recording.search.stored import StoredInspection


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of the table.

    Attributes:
        title: its first line.
        text: what it says of an inspection.
        right: whether texts end at its right edge.
        least: characters that it has at least.
    """

    title: str
    text: Callable[[StoredInspection], str]
    right: bool = False
    least: int = 0


VERDICT_WORDS: Final[dict[VerdictName, str]] = {
    "good": "pass",
    "defect": "REJECT",
    "undecided": "UNDECIDED",
}

_FIELDS: Final = (
    _Field("ID", lambda one: str(one.id), right=True, least=6),
    _Field("TIME", lambda one: f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}", least=19),
    _Field("MODEL", lambda one: f"{one.model} {one.version}", least=8),
    _Field("VERDICT", lambda one: VERDICT_WORDS[one.verdict], least=7),
    _Field("SCORE", lambda one: apart(one.score, one.threshold)[0], right=True, least=8),
    _Field("THRESHOLD", lambda one: apart(one.score, one.threshold)[1], right=True, least=9),
    _Field("STATION", lambda one: one.station or "-"),
    _Field("LOT", lambda one: one.lot or "-"),
    _Field("PART", lambda one: one.part or "-"),
    _Field("JUDGEMENT", lambda one: one.judgement or "-"),
    _Field("PICTURE", lambda one: (one.kept or "kept") if one.picture else "-"),
)


class Table:
    """Lines of a table, whose columns get wider as they must, and never narrower.

    Times are those of this machine's zone.
    """

    def __init__(self) -> None:
        self._widths = [max(field.least, len(field.title)) for field in _FIELDS]

    def lines(self, inspections: Sequence[StoredInspection]) -> list[str]:
        """One line for each inspection.

        Args:
            inspections: in the order of the lines.
        """
        rows = [[plain(field.text(one)) for field in _FIELDS] for one in inspections]
        for row in rows:
            self._widths = [max(*pair) for pair in zip(self._widths, map(len, row), strict=True)]
        return [self._line(row) for row in rows]

    def title(self) -> str:
        """The line above the others."""
        return self._line([field.title for field in _FIELDS])

    def _line(self, texts: Iterable[str]) -> str:
        cells = [
            f"{text:>{width}}" if field.right else f"{text:{width}}"
            for field, text, width in zip(_FIELDS, texts, self._widths, strict=True)
        ]
        return "  ".join(cells).rstrip()
