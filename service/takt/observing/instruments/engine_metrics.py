"""The instruments that tell what becomes of engines: faults, restarts and threads that hang."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from takt.core.domain import EngineFault


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """Counts what becomes of one model's engines.

    Attributes:
        faults: for which an engine was taken out of service.
        restarts: engines that were opened in place of another, by the fault of that one.
    """

    faults: Mapping[EngineFault, Counter]
    restarts: Mapping[EngineFault, Counter]


class EngineInstruments:
    """The instruments of all engines.

    Args:
        registry: what `/metrics` shows.

    Attributes:
        counting_errors: counter of what could not be counted, by model.
        threads_lost: gauge of the threads that hang in engines.
        working: gauge of the engines that take pictures.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self.counting_errors = counter(
            "takt_counting_errors",
            "Batches, answers and refusals that could not be counted; the log says why.",
            ("model",),
        )
        self._faults = counter(
            "takt_engine_faults",
            "Engines that were taken out of service: a thread hung or died, or batch after batch "
            "failed.",
            ("model", "reason"),
        )
        self._restarts = counter(
            "takt_engine_restarts",
            "Engines that were opened in place of one that was out of service.",
            ("model", "reason"),
        )
        self.threads_lost = gauge(
            "takt_engine_threads_lost",
            "Threads that hang in engines; at three the process ends, to be started anew.",
        )
        self.working = gauge(
            "takt_engines_working",
            "Engines that take pictures; fewer than the instances while some are mended.",
            ("model", "version"),
        )

    def of(self, model: str) -> EngineMetrics:
        """Those of one model, which start at 0."""
        faults: tuple[EngineFault, ...] = get_args(EngineFault)
        return EngineMetrics(
            {fault: self._faults.labels(model, fault) for fault in faults},
            {fault: self._restarts.labels(model, fault) for fault in faults},
        )
