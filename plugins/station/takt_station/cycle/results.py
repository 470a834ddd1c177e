"""The results that a controller has not read yet, eight deep."""

from __future__ import annotations

from collections import deque
from typing import Final

from takt_station.cycle.signals import ShownResult

DEPTH: Final = 8
"""Most results that wait, the one that is shown included."""


class ResultBuffer:
    """Shows results one after another, each until it is acknowledged, or always the latest.

    The controller acknowledges by an edge of `results_ack`. That takes the shown result away, and
    the next is shown once the bit has fallen: no result can be taken for its predecessor.

    Attributes:
        shown: what is shown; after its acknowledge it stands until the next one.
        valid: whether it was not acknowledged.
        overrun: whether a result was lost since somebody set this to False.
    """

    def __init__(self) -> None:
        self.shown: ShownResult | None = None
        self.valid = False
        self.overrun = False
        self._waiting: deque[ShownResult] = deque()
        self._buffering = False
        self._ack = False

    @property
    def waiting(self) -> int:
        """Results that were not acknowledged."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more result would be taken."""
        return not self._buffering or len(self._waiting) < DEPTH

    def add(self, result: ShownResult) -> bool:
        """Take a result; False if it found no room and is lost to the controller."""
        if not self.has_room:
            self.overrun = True
            return False
        if not self._buffering:
            self._waiting.clear()
        self._waiting.append(result)
        if not self._buffering or not self._ack:
            self._show()
        return True

    def controls(self, *, buffering: bool, ack: bool) -> None:
        """Hear whether results are to wait, and whether the one that is shown is acknowledged."""
        rising, falling = ack and not self._ack, self._ack and not ack
        if rising and self.valid:
            self._waiting.popleft()
            self.valid = False
        if self._buffering and not buffering:
            # Whoever buffers no more wants the latest.
            while len(self._waiting) > 1:
                self._waiting.popleft()
        self._buffering, self._ack = buffering, ack
        if falling or not buffering:
            self._show()

    def _show(self) -> None:
        if self._waiting:
            self.shown, self.valid = self._waiting[0], True
