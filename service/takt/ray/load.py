"""How much a replica has to do, as its own instruments tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.model_metrics import SECONDS
from takt.observing.status.quantiles import quantile
from takt.ray.scaling import BUSY, QUEUE_WAIT_MS
from takt.ray.share import Share

_QUANTILE = 0.95
_STAGE = "queue"
_ENGINE_BUSY = "takt_engine_busy_seconds_total"
_INSTANCES = "takt_engine_instances"


class Load:
    """Figures of the time since they were read last; used on the event loop that feeds the metrics.

    >>> Load(Metrics(), Share(cpus=1, gpus=0)).read()["queue_wait_ms"]
    0.0

    Args:
        metrics: the instruments.
        share: what the replica may use.
        clock: gives seconds that never go back.
        used_s: gives the processor time that this process has used so far.
    """

    def __init__(
        self,
        metrics: Metrics,
        share: Share,
        clock: Callable[[], float] = time.monotonic,
        used_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._metrics = metrics
        self._share = share
        self._clock = clock
        self._used_s = used_s
        self._waits = self._read_waits()
        self._at_s, self._processor_s, self._engines_s = clock(), used_s(), 0.0

    def read(self) -> dict[str, float]:
        """The longest wait of its models, and how busy the replica was."""
        now_s, processor_s = self._clock(), self._used_s()
        passed_s = max(now_s - self._at_s, 1e-3)
        engines_s, instances = self._read_engines()
        busy = max(
            (processor_s - self._processor_s) / passed_s / self._share.cores,
            (engines_s - self._engines_s) / passed_s / instances,
        )
        waits, before = self._read_waits(), self._waits
        longest_s = max(
            (self._wait_s(counts, before.get(model)) for model, counts in waits.items()),
            default=0.0,
        )
        self._waits, self._at_s = waits, now_s
        self._processor_s, self._engines_s = processor_s, engines_s
        return {QUEUE_WAIT_MS: 1000 * longest_s, BUSY: min(1.0, max(0.0, busy))}

    def _read_waits(self) -> Mapping[str, tuple[int, ...]]:
        counts = self._metrics.stage_counts()
        return {model: bins for (model, stage), bins in counts.items() if stage == _STAGE}

    def _wait_s(self, counts: tuple[int, ...], before: tuple[int, ...] | None) -> float:
        new = [now - then for now, then in zip(counts, before or (0,) * len(counts), strict=True)]
        return quantile(_QUANTILE, SECONDS, new) or 0.0

    def _read_engines(self) -> tuple[float, float]:
        totals = {_ENGINE_BUSY: 0.0, _INSTANCES: 0.0}
        for family in self._metrics.read_named(totals):
            for sample in family.samples:
                if sample.name in totals:
                    totals[sample.name] += sample.value
        return totals[_ENGINE_BUSY], max(1.0, totals[_INSTANCES])
