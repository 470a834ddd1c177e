"""A bundle that is opened in this process, for programs that need no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.batching.work import Unobserved
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from takt.core.domain import ModelInput, ModelOutput
from takt.core.engines.batches import batch_runner
from takt.core.engines.golden import check_golden
from takt.core.engines.opener import OpenedEngine, engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.host import usable_cores
from takt.core.inspection.inference import Pools
from takt.core.inspection.pipeline import Limits, Pipeline

_ENGINE = EngineOptions()
LIMITS = Limits(max_image_pixels=50_000_000, max_regions=64)
_BATCHING = BatcherOptions(max_batch_size=1, max_queue_delay_s=0.0, max_queue_size=256)

_DRAIN_S = 30.0
"""Longest wait for a batch that runs, as an engine is not closed under it."""


@asynccontextmanager
async def opened(
    folder: Path, engine: EngineOptions = _ENGINE, limits: Limits = LIMITS
) -> AsyncIterator[Pipeline]:
    """Open a bundle, and give the pipeline that a server would inspect its pictures by.

    >>> import asyncio
    >>> from takt.core.domain import InspectOptions
    >>> good = Path("examples/pictures/good/01_200828160410_635000_270_crop_2.jpg")
    >>> async def part() -> bytes:
    ...     return good.read_bytes()
    >>> async def verdict() -> bool:
    ...     async with opened(Path("examples/bank/pitting/1")) as model:
    ...         return (await model.inspect(part, InspectOptions(timeout_s=30.0))).verdict.anomalous
    >>> asyncio.run(verdict())
    False

    The engine has answered the golden inputs as the trained model did. The thresholds are the
    bundle's own. Pictures that have begun are answered before the block ends.

    Args:
        folder: of the bundle, such as bundles/part/1.
        engine: what runs it.
        limits: bounds of pictures and answers.

    Raises:
        BundleError: there is no whole bundle in the folder.
        ConfigurationError: this host or the bundle has no such engine.
        DriftError: the engine answers unlike the trained model.
    """
    opening = replace(engine, engine_instances=1)
    bundle, loaded = await asyncio.to_thread(_open, folder, opening)
    threads = usable_cores()
    options = replace(_BATCHING, max_batch_size=loaded.plan.max_batch_size)
    with closing(loaded.engine), ThreadPoolExecutor(threads) as pool:
        batcher: Batcher[ModelInput, ModelOutput] = Batcher(
            [batch_runner(loaded.engine)], options, Unobserved()
        )
        thresholds = DeployedThresholds(bundle, Overrides())
        pipeline = Pipeline(bundle, batcher, Pools(pool, pool, threads), limits, thresholds)
        try:
            yield pipeline
            await pipeline.quiet()
        finally:
            await batcher.close(_DRAIN_S)


def _open(folder: Path, options: EngineOptions) -> tuple[Bundle, OpenedEngine]:
    """The bundle, and an engine that answers as the trained model did."""
    bundle = load_bundle(folder)
    loaded = engine_opener(options)(bundle)
    try:
        check_golden(loaded.engine, bundle, loaded.plan.variant)
    except BaseException:
        loaded.engine.close()
        raise
    return bundle, loaded
