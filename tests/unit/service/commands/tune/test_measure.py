from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from takt.commands.tune.measure import LEAST_ANSWERS, Round, measure_round
from takt.core.batching.options import BatcherOptions
from takt.core.engines.fake import FakeEngine
from takt.core.errors import EngineError

IMAGES = [np.full((4, 4, 3), level, np.uint8) for level in (10, 200)]


def measured(engines: list[FakeEngine], *, batch: int = 1, seconds: float = 0.0) -> Round:
    """By a clock that goes on by a second whenever it is read."""
    ticks = itertools.count()
    options = BatcherOptions(max_batch_size=batch, max_queue_delay_s=0.0, max_queue_size=256)
    return asyncio.run(
        measure_round(engines, IMAGES, options, seconds, now=lambda: float(next(ticks)))
    )


def pictures(engines: list[FakeEngine]) -> int:
    return sum(sum(engine.batch_sizes) for engine in engines)


def test_however_slow_an_engine_is_each_caller_has_its_least_answers() -> None:
    found = measured([FakeEngine(), FakeEngine()], batch=2)
    assert len(found.latencies_ms) >= LEAST_ANSWERS * 4


def test_a_longer_measurement_counts_more_pictures() -> None:
    short, long = (measured([FakeEngine()], seconds=seconds) for seconds in (0.0, 3000.0))
    assert len(long.latencies_ms) > len(short.latencies_ms)


def test_the_rate_is_that_of_the_clock() -> None:
    # A caller reads the clock before and after each picture.
    assert measured([FakeEngine()], seconds=3000.0).images_per_s == pytest.approx(0.5, rel=0.01)


def test_latencies_are_of_as_many_pictures_as_may_run() -> None:
    # Between the two readings of a lone caller nobody else reads the clock.
    assert set(measured([FakeEngine()]).latencies_ms) == {1000.0}


def test_no_picture_of_the_warm_up_counts() -> None:
    engine = FakeEngine()
    found = measured([engine])
    callers = 2 + 1
    least_counted = LEAST_ANSWERS * callers
    assert pictures([engine]) >= least_counted + callers
    assert len(found.latencies_ms) == LEAST_ANSWERS


def test_batches_form_as_they_do_in_the_service() -> None:
    engine = FakeEngine()
    measured([engine], batch=4)
    assert max(engine.batch_sizes) == 4


def test_all_instances_work() -> None:
    engines = [FakeEngine(), FakeEngine()]
    measured(engines, seconds=3000.0)
    assert all(engine.batch_sizes for engine in engines)


def test_an_engine_that_fails_ends_the_measurement_with_its_error() -> None:
    engine = FakeEngine()
    engine.fail = True
    with pytest.raises(EngineError, match="told to"):
        measured([engine])
