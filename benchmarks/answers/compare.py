"""Two records, compared: how many answers differ, where, and in what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from benchmarks.answers.record import Cell

PARTS = ("score", "verdict", "regions", "heatmap")
"""Of an answer's line, in their order."""

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of one model in one mode, over all sets.

    Attributes:
        protocol: by which it was asked.
        mode: name of the mode.
        model: that was asked.
        compared: answers that are in either record.
        differences: one line for each answer that is not the same in both.
    """

    protocol: str
    mode: str
    model: str
    compared: int
    differences: tuple[str, ...]


def compare(before: Iterable[Cell], after: Iterable[Cell]) -> list[Row]:
    """Compare two records; what only one of them has differs."""
    old, new = ({cell.key: cell for cell in cells} for cells in (before, after))
    found: dict[tuple[str, str, str], list[tuple[int, list[str]]]] = {}
    for key in dict.fromkeys((*old, *new)):
        found.setdefault(key[:3], []).append(_compare_cells(old.get(key), new.get(key)))
    return [
        Row(
            *key,
            compared=sum(count for count, _ in parts),
            differences=tuple(line for _, lines in parts for line in lines),
        )
        for key, parts in found.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """The counts by protocol, mode and model, and their sums."""
    lines = [f"{'protocol':9} {'mode':13} {'model':10} {'compared':>9} {'differing':>9}"]
    counts = [
        (row.protocol, row.mode, row.model, row.compared, len(row.differences)) for row in rows
    ]
    total = ("all", "", "", sum(row[3] for row in counts), sum(row[4] for row in counts))
    for protocol, mode, model, compared, differing in (*counts, total):
        lines.append(f"{protocol:9} {mode:13} {model:10} {compared:9} {differing:9}")
    return "\n".join(lines)


def _compare_cells(old: Cell | None, new: Cell | None) -> tuple[int, list[str]]:
    """How many answers, and a line for each that differs."""
    cell = old or new
    assert cell is not None
    before, after = (side.answers if side else {} for side in (old, new))
    names = list(dict.fromkeys((*before, *after)))
    lines = [
        f"{' '.join(cell.key)} {name}: {change}"
        for name in names
        for change in _changes(before.get(name), after.get(name))
    ]
    if old and new and not lines and (old.digest, old.pictures) != (new.digest, new.pictures):
        lines = [f"{' '.join(cell.key)}: {change}" for change in _unlocated(old, new)]
    return len(names), lines


def _changes(before: str | None, after: str | None) -> Iterator[str]:
    """What differs between two answers, in one line; nothing if they are alike."""
    if before is None or after is None:
        yield "only in the second record" if before is None else "only in the first record"
    elif before != after:
        pairs = zip_longest(PARTS, before.split(), after.split(), fillvalue=ABSENT)
        yield ", ".join(f"{part} {old} -> {new}" for part, old, new in pairs if old != new)


def _unlocated(old: Cell, new: Cell) -> Iterator[str]:
    """A difference that no answer's line shows."""
    if old.pictures != new.pictures:
        yield "other pictures were posted"
    else:
        yield "the digest over all answers differs, though no short one does"
