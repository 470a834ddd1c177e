"""What the workers count together, in memory that they share: each writes its own row only."""

from __future__ import annotations

import mmap
import os
import zlib
from dataclasses import dataclass

from takt.peers import HostCounts
from takt.server.workers.ways.names import NAMES_BYTES, SharedNames

_CELLS = 16_384
"""Of a row. Two names that share a cell count as one, which matters to no client that is far from
the limit of connections."""
_NAMED = ("connections", "streams", "kept_streams", "watchers", "listeners")
"""They have cells of their own."""
_BYTES = 8


@dataclass(frozen=True, slots=True)
class CountTable:
    """The counts of all workers, a row for each.

    >>> table = CountTable.over(CountTable.memory(rows=2), rows=2)
    >>> table.row(0).add("connections", 3)
    >>> table.row(1).add("connections", 1)
    >>> table.row(1).total("connections"), table.of_row(0, "connections")
    (4, 3)
    >>> table.clear(0)
    >>> table.row(1).total("connections")
    1

    Attributes:
        rows: how many there are.
    """

    rows: int
    _cells: memoryview
    _names: SharedNames

    @staticmethod
    def memory(rows: int) -> int:
        """A descriptor of memory for so many rows, all at 0; whoever asks closes it."""
        descriptor = os.memfd_create("takt-counts")
        os.ftruncate(descriptor, rows * _CELLS * _BYTES + NAMES_BYTES)
        return descriptor

    @classmethod
    def over(cls, descriptor: int, rows: int) -> CountTable:
        """The table in memory that processes share; the descriptor stays open until its end."""
        of_counts = rows * _CELLS * _BYTES
        memory = memoryview(mmap.mmap(descriptor, of_counts + NAMES_BYTES))
        names = SharedNames(memory[of_counts:], descriptor)
        return cls(rows, memory[:of_counts].cast("q"), names)

    def row(self, number: int) -> HostCounts:
        """The counts as one worker sees them."""
        return _Row(self._cells, number, self._names)

    def of_row(self, number: int, what: str) -> int:
        """What one worker has counted."""
        return self._cells[number * _CELLS + _cell(what)]

    def clear(self, number: int) -> None:
        """Forget what a worker has counted that is no more."""
        nothing = memoryview(bytes(_CELLS * _BYTES)).cast("q")
        self._cells[number * _CELLS : (number + 1) * _CELLS] = nothing


@dataclass(frozen=True, slots=True)
class _Row:
    """One worker's row, which nobody else writes, beside what all have counted."""

    cells: memoryview
    number: int
    names: SharedNames

    def add(self, what: str, difference: int) -> None:
        self.cells[self.number * _CELLS + _cell(what)] += difference

    def total(self, what: str) -> int:
        return sum(self.cells[_cell(what) :: _CELLS])

    def admits(self, name: str) -> bool:
        return self.names.admits(name)


def _cell(what: str) -> int:
    if what in _NAMED:
        return _NAMED.index(what)
    return len(_NAMED) + zlib.crc32(what.encode()) % (_CELLS - len(_NAMED))
