from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from takt.core.domain import Image, InspectOptions, ModelOutput
from takt.core.engines.batches import batch_runner
from takt.core.engines.fake import FakeEngine
from takt.core.inspection.inference import Pools
from takt.core.inspection.pipeline import Limits, Pipeline


def test_everyone_who_waits_for_quiet_hears_of_it(
    bundle: Bundle, picture_bytes: Callable[..., bytes]
) -> None:
    async def test() -> None:
        batcher: Batcher[Image, ModelOutput] = Batcher(
            [batch_runner(FakeEngine())], BatcherOptions(8, 0.0, 256), Mock()
        )
        sent = asyncio.Event()

        async def read() -> bytes:
            await sent.wait()
            return picture_bytes()

        with ThreadPoolExecutor(1) as pool:
            pipeline = Pipeline(
                bundle,
                batcher,
                Pools(pool, pool, 1),
                Limits(10_000, 8),
                DeployedThresholds(bundle, Overrides()),
            )
            await pipeline.quiet()
            inspecting = asyncio.create_task(pipeline.inspect(read, InspectOptions(timeout_s=30)))
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(pipeline.quiet()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not any(one.done() for one in waiting)
            sent.set()
            await inspecting
            async with asyncio.timeout(60):
                await asyncio.gather(*waiting)
            await batcher.close(5)

    asyncio.run(test())
