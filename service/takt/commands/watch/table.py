"""The outcomes of shots as columns, for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from takt.commands.watch.figures import FrameTimes
from takt.core.domain import VerdictName
from takt.digits import apart, short
from takt.streaming.outcomes import AnsweredFrame

_LEAST_NAME, _MOST_NAME = 20, 40
"""Widths of the column of names; it widens for longer ones."""

_WORDS: dict[VerdictName, str] = {
    "good": "good",
    "defect": "ANOMALOUS",
    "undecided": "UNDECIDED",
}

ROWS_UNDER_A_HEADING = 40
"""Rows after which the heading is said again, as it has left the screen."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its heading, its width, and whether it is set to the right."""

    heading: str
    width: int
    right: bool = True

    def cell(self, text: str) -> str:
        return f"{text:>{self.width}}" if self.right else f"{text:<{self.width}}"


class OutcomeTable:
    """Rows under a heading; several sources share one.

    The threshold stands above the heading, which is said again where that changes, or where a name
    needs a wider column.

    Args:
        write: prints a line.
        stations: names of the sources, for a column of their own; none where there is one source.
        width: characters of a line on a terminal, for which longer names lose their beginning;
            None keeps them whole.
        smoothed: whether there are smoothed scores.
        vote: whether there is a vote.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        stations: tuple[str, ...] = (),
        *,
        width: int | None = None,
        smoothed: bool = False,
        vote: bool = False,
    ) -> None:
        self._write = write
        columns = {
            "station": _Column("station", max(map(len, ("station", *stations))), right=False),
            "frame": _Column("frame", _LEAST_NAME, right=False),
            "verdict": _Column(" verdict", 10, right=False),
            "score": _Column("score", 8),
            "smoothed": _Column("smoothed", 8),
            "regions": _Column("regions", 7),
            "vote": _Column("vote", 13),
            "engine": _Column("engine", 8),
            "waiting": _Column("waiting", 8),
        }
        shown = {"station": bool(stations), "smoothed": smoothed, "vote": vote}
        self._columns = {name: one for name, one in columns.items() if shown.get(name, True)}
        others = sum(one.width + 1 for name, one in self._columns.items() if name != "frame")
        self._most_name = _MOST_NAME if width is None else max(width - others, _LEAST_NAME)
        self._cut = width is not None
        self._threshold: float | None = None
        self._rows = ROWS_UNDER_A_HEADING

    def answered(
        self, station: str | None, name: str, answer: AnsweredFrame, times: FrameTimes
    ) -> None:
        """Writes the row of a frame that was inspected."""
        verdict, vote = answer.inspection.verdict, answer.vote
        name = self._shown(name)
        cells = {
            "station": station or "",
            "frame": name,
            "verdict": f" {_WORDS[verdict.name]}",
            "score": apart(verdict.score, verdict.threshold)[0],
            "regions": str(len(verdict.regions)),
            "engine": in_ms(times.engine_ms),
            "waiting": in_ms(times.waiting_ms),
        }
        if answer.smoothed_score is not None:
            cells["smoothed"] = short(answer.smoothed_score)
        if vote is not None:
            cells["vote"] = (
                f"{_WORDS['defect' if vote.anomalous else 'good']} {vote.count}/{vote.of}"
            )
        self._head(verdict.threshold, name)
        self._rows += 1
        self._write(
            " ".join(column.cell(cells.get(name, "")) for name, column in self._columns.items())
        )

    def refused(self, station: str | None, name: str, why: str) -> None:
        """Writes the row of a frame that could not be inspected."""
        cells = {"station": station or "", "frame": self._shown(name)}
        row = [self._columns[key].cell(text) for key, text in cells.items() if key in self._columns]
        self._rows += 1
        self._write(" ".join([*row, f" {why}"]))

    def _shown(self, name: str) -> str:
        """A name as it fits: its end tells pictures apart."""
        too_long = self._cut and len(name) > self._most_name
        return f"…{name[1 - self._most_name :]}" if too_long else name

    def _head(self, threshold: float, name: str) -> None:
        """Writes the heading where the last one is too far above, or no longer right."""
        frame = self._columns["frame"]
        wider = min(len(name), self._most_name) > frame.width
        if wider:
            self._columns["frame"] = replace(frame, width=min(len(name), self._most_name))
        if threshold != self._threshold:
            self._write(
                f"threshold {threshold:.6g}: a score above it is anomalous, and so is any region"
            )
        elif not wider and self._rows < ROWS_UNDER_A_HEADING:
            return
        self._threshold, self._rows = threshold, 0
        heading = (column.cell(column.heading) for column in self._columns.values())
        self._write(" ".join(heading))


def in_ms(time_ms: float | None) -> str:
    """A time as columns and figures show it; a dash where there is none.

    >>> [in_ms(time) for time in (8.24, 99.96, 8600.4, None)]
    ['8.2 ms', '100 ms', '8600 ms', '-']
    """
    if time_ms is None:
        return "-"
    return f"{time_ms:.1f} ms" if time_ms < 99.95 else f"{time_ms:.0f} ms"
