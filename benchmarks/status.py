"""What it costs a server to know how it fares: time on the event loop, over a scrape's.

    python -m benchmarks.status

A reading is taken on the event loop every five seconds, and another one for `GET /v1/status` at
most once a second; a thread finds out what follows from it. A scrape by Prometheus, which reads
every instrument on the same loop, is the measure. Servers of one model and of many have two
versions of each, and have answered by every protocol and with every error. Times are of the
processor.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import get_args

from service.core.domain import UNKNOWN_SOURCE, ProtocolName, Timings, Verdict
from service.observing.instruments.metrics import Metrics
from service.observing.instruments.version_metrics import VersionGauges
from service.observing.journal import Journal
from service.observing.records import AnswerRecord, RefusalRecord
from service.observing.status.host_state import HostReader
from service.observing.status.reading import Reading, read
from service.observing.status.watch import EVERY_S, StatusWatch
from service.recording.audit.metrics import AuditMetrics
from service.recording.metrics import RecordMetrics

ROUNDS = 300
CODES = ("queue_full", "deadline_exceeded", "invalid_image", "engine_failed", "client_gone")
MODELS = (1, 4, 20)


def busy_metrics(models: int) -> Metrics:
    """Instruments of a server of so many models, two versions each, that has every series."""
    metrics = Metrics(max_queue_size=256)
    AuditMetrics(metrics.registry).begin(lambda: 0)
    RecordMetrics(metrics.registry).begin()
    for model in map("model-{}".format, range(models)):
        for version in ("1", "2"):
            metrics.versions.watch(model, version, VersionGauges(*[lambda: 1] * 5))
            metrics.loaded(model, version, seconds=1, instances=2, bounds=(0.1, 0.2, 0.3, 0.4))
            metrics.versions.self_tested(model, version, ())
        metrics.of_model(model)
        metrics.engines.of(model)
        for protocol in get_args(ProtocolName):
            timings = Timings(1, 1, 2, 30, 1, 0, 35)
            asked = (protocol, "r", None, time.time(), (), UNKNOWN_SOURCE)
            verdict = Verdict(False, 0.1, 0.5, 50.0, ())
            metrics.answered(AnswerRecord(model, "1", verdict, 256, 256, timings, *asked))
            for code in CODES:
                metrics.refused(RefusalRecord(model, code, 500, protocol, "r", None, time.time()))
    return metrics


class Clock:
    """Seconds that go on when they are told to."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def main() -> None:
    """Print a row for each number of models."""
    print("| models | series | on the loop, ms | of its time | in the thread, ms | a scrape, ms |")
    print("|---|---|---|---|---|---|")
    for models in MODELS:
        metrics, clock = busy_metrics(models), Clock()
        journal = Journal(metrics)
        watch = StatusWatch(_never, HostReader({}), clock)
        on_loop = partial(read, metrics, journal, 0.0)
        thinking = partial(_remember, watch, clock, on_loop())
        for _ in range(200):
            thinking()
        read_ms, thought_ms = _median_ms(on_loop), _median_ms(thinking)
        scraped_ms = _median_ms(metrics.read)
        share = read_ms / 1000 / EVERY_S
        print(
            f"| {models} | {len(on_loop().values)} | {read_ms:.2f} | {share:.4%} "
            f"| {thought_ms:.2f} | {scraped_ms:.2f} |"
        )


async def _never(at_s: float) -> Reading:
    raise NotImplementedError


def _remember(watch: StatusWatch, clock: Clock, reading: Reading) -> None:
    clock.now_s += EVERY_S
    watch._remember(replace(reading, at_s=clock.now_s))


def _median_ms(run: Callable[[], object]) -> float:
    """Processor time of a run, in the middle of many."""
    gc.collect()
    times = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        run()
        times.append(1000 * (time.thread_time() - begun))
    return median(times)


if __name__ == "__main__":
    main()
