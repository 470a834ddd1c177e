"""Histograms for the event loop: a count costs a fraction of a microsecond.

Those of prometheus_client take a lock and format a timestamp for each value, which for seven stages
of a picture costs more than all else that the service counts. Prometheus reads the same from both.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

Bucket = tuple[str, float] | tuple[str, float, Exemplar]
"""Upper bound as Prometheus writes it, the count up to it, and an example, in its own order."""

_MAX_EXEMPLAR = 128 - len("request_id")
"""Most characters that OpenMetrics allows an example's labels, without the label's name."""


class UnlockedHistogram:
    """Counts values by their bucket; one thread counts, and the same thread reads.

    >>> seconds = UnlockedHistogram([0.1, 1.0])
    >>> seconds.observe(0.5)
    >>> seconds.buckets()
    [('0.1', 0), ('1.0', 1), ('+Inf', 1)]

    Args:
        bounds: the upper ends of the buckets, rising; one more bucket takes what lies above.

    Attributes:
        sum: of all values.
    """

    __slots__ = ("_bounds", "_counts", "_exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[tuple[float, str, float] | None] = [None] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def observe_of(self, value: float, request_id: str, at_s: float) -> None:
        """Count a value, and keep its request and Unix time as the bucket's example."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self.sum += value
        if len(request_id) <= _MAX_EXEMPLAR:
            self._exemplars[bucket] = value, request_id, at_s

    @property
    def counts(self) -> tuple[int, ...]:
        """Values in each bucket, and those above all."""
        return tuple(self._counts)

    def buckets(self) -> list[Bucket]:
        """Buckets for `HistogramMetricFamily.add_metric`: each count includes those before."""
        bounds = (*self._bounds, math.inf)
        named: list[str] = [floatToGoString(bound) for bound in bounds]  # type: ignore[no-untyped-call]
        return [
            (name, count)
            if example is None
            else (name, count, Exemplar({"request_id": example[1]}, example[0], example[2]))
            for name, count, example in zip(
                named, accumulate(self._counts), self._exemplars, strict=True
            )
        ]


class LabelledHistograms(Collector):
    """The histograms of one metric by their labels, for a registry.

    Args:
        name: name of the metric.
        documentation: its help text.
        labels: names of its labels.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._children: dict[tuple[str, ...], UnlockedHistogram] = {}

    def child(self, bounds: Sequence[float], *values: str) -> UnlockedHistogram:
        """The histogram of these label values; made with these bounds if there is none."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = UnlockedHistogram(bounds)
        return child

    def get(self, *values: str) -> UnlockedHistogram:
        """The histogram of these label values; one that nobody reads if it was removed."""
        return self._children.get(values) or UnlockedHistogram(())

    def remove(self, *values: str) -> None:
        """Remove a histogram, if it is there."""
        self._children.pop(values, None)

    def counts(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """Values in each bucket, by the values of the labels."""
        return {values: child.counts for values, child in self._children.items()}

    def describe(self) -> Iterable[Metric]:
        """The metric without its values."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """The metric with the values of all labels."""
        family = self._family()
        for values, child in self._children.items():
            family.add_metric(values, child.buckets(), child.sum)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
