"""The first names that any worker has met, as of stations, in memory that all workers share."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

from takt.peers import MOST_NAMES

_MOST_BYTES = 512
"""Of a name: 128 characters at most, as a label may have."""
_SLOT = 2 + _MOST_BYTES
NAMES_BYTES = MOST_NAMES * _SLOT
"""Memory of all names."""


class SharedNames:
    """Names in slots that are filled one after another and never emptied.

    Each process remembers what it has found, so that the memory is looked at for a new name alone;
    once all slots are full, for none.

    Args:
        memory: `NAMES_BYTES` of it, at 0 in the beginning.
        descriptor: of a file that all processes have, by which one at a time fills a slot.
    """

    def __init__(self, memory: memoryview, descriptor: int) -> None:
        self._memory = memory
        self._descriptor = descriptor
        self._known: set[str] = set()

    def admits(self, name: str) -> bool:
        """Whether a name is one of the first; it becomes one where a slot is free."""
        if name in self._known:
            return True
        if len(self._known) == MOST_NAMES:
            return False
        # Waits for another worker's look at 64 slots at most.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            self._known = set(self._names())
            if name not in self._known and len(self._known) < MOST_NAMES:
                self._fill(len(self._known), name)
                self._known.add(name)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return name in self._known

    def _names(self) -> Iterator[str]:
        for start in range(0, NAMES_BYTES, _SLOT):
            length = int.from_bytes(self._memory[start : start + 2])
            if not length:
                return
            yield bytes(self._memory[start + 2 : start + 2 + length]).decode()

    def _fill(self, number: int, name: str) -> None:
        data, start = name.encode(), number * _SLOT
        self._memory[start + 2 : start + 2 + len(data)] = data
        # Last, as a process that ends in between leaves a free slot.
        self._memory[start : start + 2] = len(data).to_bytes(2)
