"""What is done about engines that hang or fail, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from takt.core.batching.watch import RunLimits


@dataclass(frozen=True, slots=True)
class Supervision:
    """Bounds and paces; constants, but for tests.

    Attributes:
        runs: bounds of batches.
        first_open_s: longest time to open an engine for the first time; TensorRT may build one.
        first_check_s: longest time for its first golden answers.
        factor: opening and golden answers may later take this many times as long as at first.
        least_s: but they are not given up sooner.
        pause_s: before an engine that fails is tried again; doubled with each try.
        most_pause_s: longest such pause.
        probes: golden checks of an engine that fails, before another is opened.
        steady_s: after working for this long, a mended engine counts as sound.
        close_s: longest wait for an engine to close.
        most_lost: threads that may hang in engines at the same time; then the process ends.
    """

    runs: RunLimits = field(default_factory=RunLimits)
    first_open_s: float = 3600.0
    first_check_s: float = 600.0
    factor: float = 10.0
    least_s: float = 60.0
    pause_s: float = 1.0
    most_pause_s: float = 60.0
    probes: int = 3
    steady_s: float = 60.0
    close_s: float = 10.0
    most_lost: int = 3

    def within_s(self, measured_s: float) -> float:
        """Longest time for what took `measured_s` at first."""
        return max(self.least_s, self.factor * measured_s)

    def pause_after(self, tries: int) -> float:
        """Pause after so many tries that failed.

        >>> [Supervision().pause_after(tries) for tries in (0, 1, 2, 9)]
        [1.0, 2.0, 4.0, 60.0]
        """
        return min(self.most_pause_s, self.pause_s * 2.0 ** min(tries, 30))
