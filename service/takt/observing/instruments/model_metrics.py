"""The instruments of one model, found once instead of by their labels for each picture."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Histogram

from takt.core.domain import DropReason
from takt.observing.instruments.histogram import UnlockedHistogram
from takt.observing.records import AnswerRecord

SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)

_MOST_UNCOUNTED = 64

_BELOW = tuple(step / 10 for step in range(10))
_ABOVE = (0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)


def score_bounds(lowest: float, threshold: float) -> tuple[float, ...]:
    """Buckets for a model's scores: ten up to the threshold, which is a bound, and some above it.

    They are the same on every server that has the bundle, so that histograms may be added up.

    Args:
        lowest: lowest score of good pictures.
        threshold: the bundle's own threshold.
    """
    span = threshold - lowest
    if span <= 0:
        span = abs(threshold) or 1.0
    below = (threshold - span * (1 - part) for part in _BELOW)
    return (*below, *(threshold + span * part for part in _ABOVE))


class AnswerMetrics:
    """Counts the answers of one version.

    Args:
        stages: seconds, one histogram for each of `domain.STAGES`.
        scores: scores of pictures.
    """

    def __init__(self, stages: Sequence[UnlockedHistogram], scores: UnlockedHistogram) -> None:
        self._decode, self._preprocess, self._queue, self._engine = stages[:4]
        self._postprocess, self._render, self._total = stages[4:]
        self._scores = scores

    def count(self, answered: AnswerRecord) -> None:
        """Count an answer."""
        timings = answered.timings
        self._decode.observe(timings.decode_ms / 1000)
        self._preprocess.observe(timings.preprocess_ms / 1000)
        self._queue.observe(timings.queue_ms / 1000)
        self._engine.observe(timings.engine_ms / 1000)
        self._postprocess.observe(timings.postprocess_ms / 1000)
        self._render.observe(timings.render_ms / 1000)
        self._total.observe_of(timings.total_ms / 1000, answered.request_id, answered.at_s)
        self._scores.observe(answered.verdict.score)


@dataclass(frozen=True, slots=True)
class BatchMetrics:
    """Counts what a model's batchers report from their threads; a `batching.work.Observer`.

    Attributes:
        sizes: pictures in each batch.
        busy: seconds that engines worked.
        dropped: items that never ran, by reason.
        errors: of the counting itself.
    """

    sizes: Histogram
    busy: Counter
    dropped: Mapping[DropReason, Counter]
    errors: Counter
    _ran: deque[tuple[int, float]] = field(default_factory=deque, init=False)

    def on_batch(self, size: int, run_s: float) -> None:
        """Note a batch; it is counted with others later, as its answer is waiting."""
        self._ran.append((size, run_s))
        if len(self._ran) >= _MOST_UNCOUNTED:
            self.settle()

    def on_dropped(self, reason: DropReason) -> None:
        """Count an item that was given up before it ran."""
        self.dropped[reason].inc()

    def on_error(self) -> None:
        """Count a batch or an item that could not be counted."""
        self.errors.inc()

    def settle(self) -> None:
        """Count the batches that ran; any thread may call."""
        with contextlib.suppress(IndexError):
            while True:
                size, run_s = self._ran.popleft()
                self.sizes.observe(size)
                self.busy.inc(run_s)
