"""What the answers and the batches of one model feed, without a search for labels each time."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.domain import DropReason
from service.observing.histogram import UnlockedHistogram
from service.observing.records import AnswerRecord

SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
STAGES = ("decode", "preprocess", "queue", "engine", "postprocess", "render", "total")

_MANY = 64

_BELOW = tuple(step / 10 for step in range(10))
_ABOVE = (0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)


def score_bounds(lowest: float, threshold: float) -> tuple[float, ...]:
    """Buckets for a model's scores: ten up to the threshold, which is a bound, and some above it.

    The same for every server that has the bundle, so that their histograms may be added up.

    Args:
        lowest: score of good pictures.
        threshold: the bundle's own.
    """
    span = threshold - lowest
    if span <= 0:
        span = abs(threshold) or 1.0
    below = (threshold - span * (1 - part) for part in _BELOW)
    return (*below, *(threshold + span * part for part in _ABOVE))


class LastPictures(Collector):
    """When each model answered its last picture; nothing of a model that has answered none."""

    def __init__(self) -> None:
        self._marks: dict[str, LastPicture] = {}

    def of(self, model: str) -> LastPicture:
        """The mark of a model."""
        return self._marks.setdefault(model, LastPicture())

    def describe(self) -> Iterable[Metric]:
        """What the registry learns of it without collecting."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        family = self._family()
        for model, mark in self._marks.items():
            if mark.at_s:
                family.add_metric((model,), mark.at_s)
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "takt_last_picture_timestamp_seconds",
            "When the last picture was answered, in Unix time; absent until the first one.",
            labels=("model",),
        )


class LastPicture:
    """A mark that answers move.

    Attributes:
        at_s: Unix time; 0 before the first one.
    """

    __slots__ = ("at_s",)

    def __init__(self) -> None:
        self.at_s = 0.0


class AnswerMetrics:
    """What the answers of one version feed.

    Args:
        stages: one for each of STAGES.
        scores: of pictures.
        last_picture: tells when there was one.
    """

    def __init__(
        self,
        stages: Sequence[UnlockedHistogram],
        scores: UnlockedHistogram,
        last_picture: LastPicture,
    ) -> None:
        self._decode, self._preprocess, self._queue, self._engine = stages[:4]
        self._postprocess, self._render, self._total = stages[4:]
        self._scores = scores
        self._last_picture = last_picture

    def count(self, answered: AnswerRecord) -> None:
        """Count an answer."""
        timings, at_s = answered.timings, answered.at_s
        self._decode.observe(timings.decode_ms / 1000)
        self._preprocess.observe(timings.preprocess_ms / 1000)
        self._queue.observe(timings.queue_ms / 1000)
        self._engine.observe(timings.engine_ms / 1000)
        self._postprocess.observe(timings.postprocess_ms / 1000)
        self._render.observe(timings.render_ms / 1000)
        self._total.observe_of(timings.total_ms / 1000, answered.request_id, at_s)
        self._scores.observe(answered.verdict.score)
        self._last_picture.at_s = max(self._last_picture.at_s, at_s)


class BatchMetrics:
    """What a model's batchers report, from their threads; see `service.batching.work.Observer`.

    Args:
        sizes: of batches.
        busy: seconds of engines.
        dropped: by reason.
    """

    def __init__(
        self, sizes: Histogram, busy: Counter, dropped: Mapping[DropReason, Counter]
    ) -> None:
        self._sizes = sizes
        self._busy = busy
        self._dropped = dropped
        self._ran: deque[tuple[int, float]] = deque()

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran; it is counted with others, as its answer is waiting."""
        self._ran.append((size, run_s))
        if len(self._ran) >= _MANY:
            self.settle()

    def on_dropped(self, reason: DropReason) -> None:
        """An item was given up before it ran."""
        self._dropped[reason].inc()

    def settle(self) -> None:
        """Count the batches that ran; any thread may."""
        with contextlib.suppress(IndexError):
            while True:
                size, run_s = self._ran.popleft()
                self._sizes.observe(size)
                self._busy.inc(run_s)
