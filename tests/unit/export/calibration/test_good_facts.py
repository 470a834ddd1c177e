"""The facts that a bundle keeps are those that the service finds at the line."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.calibration.good_facts import good_facts
from export.pictures import list_pictures
from service.core.batching.batcher import Batcher
from service.core.batching.options import BatcherOptions
from service.core.batching.work import Unobserved
from service.core.bundles.bundle import Bundle, load_bundle
from service.core.bundles.thresholds import DeployedThresholds, Overrides
from service.core.bundles.tiling import Tiling
from service.core.domain import FactVector, InspectOptions, ModelInput, ModelOutput
from service.core.engines.batches import batch_runner
from service.core.engines.fake import FakeEngine
from service.core.inspection.inference import Pools
from service.core.inspection.pipeline import Limits, Pipeline
from service.core.pictures.facts import FACT_NAMES
from service.core.pictures.good_facts import MOST, GoodFacts
from tests.real_pictures import GOOD

LIMITS = Limits(10_000_000, 8)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(Path("examples/models/pitting/1"))


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    few = list(list_pictures(GOOD))
    return (few * (24 // len(few) + 1))[:24]


def known(bundle: Bundle, pictures: list[Path]) -> GoodFacts:
    values = np.arange(len(pictures), dtype=np.float32)
    found = good_facts(pictures, bundle.manifest, values, values + 1, quiet=True)
    assert found is not None
    return found


async def at_the_line(bundle: Bundle, path: Path) -> FactVector | None:
    from concurrent.futures import ThreadPoolExecutor

    async def read() -> bytes:
        return path.read_bytes()

    batcher: Batcher[ModelInput, ModelOutput] = Batcher(
        [batch_runner(FakeEngine(size=bundle.manifest.map_size[0]))],
        BatcherOptions(8, 0.0, 256),
        Unobserved(),
    )
    with ThreadPoolExecutor() as pool:
        pipeline = Pipeline(
            bundle,
            batcher,
            Pools(pool, pool, 1),
            LIMITS,
            DeployedThresholds(bundle, Overrides()),
        )
        inspection = await pipeline.inspect(read, InspectOptions(timeout_s=30.0))
        await batcher.close(drain_timeout_s=1.0)
    return inspection.facts
