"""Tables and verdicts as the commands print them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in Markdown, with columns of one width."""
    cells = [[*map(str, head)], *([*map(str, row)] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


@dataclass(slots=True)
class Verdict:
    """Whether a bar is met, with what was missed.

    >>> verdict = Verdict(6)
    >>> verdict.demand(3 < 2, "3 s of 2 s")
    >>> verdict.line("one run")
    'bar 6: MISSED (3 s of 2 s); one run'
    """

    bar: int
    missed: list[str] = field(default_factory=list)

    def demand(self, holds: bool, otherwise: str) -> None:
        """Note what is missed where it does not hold."""
        if not holds:
            self.missed.append(otherwise)

    def line(self, figures: str) -> str:
        """The last line of a command."""
        said = f"MISSED ({'; '.join(self.missed)})" if self.missed else "met"
        return f"bar {self.bar}: {said}; {figures}"

    def end(self, figures: str) -> None:
        """Print the line, and end the process with 1 where the bar is missed."""
        print(self.line(figures), flush=True)
        sys.exit(1 if self.missed else 0)


def percentile(values: Sequence[float], share: float) -> float:
    """A value that so large a share does not exceed, by nearest rank; 0 where there is none.

    >>> percentile([3, 1, 2, 4], 0.5)
    2
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
