from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import cv2
import numpy as np
import pytest

from takt.core.batching.admission import Admission
from takt.core.batching.batcher import Batcher
from takt.core.batching.memory import MemoryBudget
from takt.core.batching.options import BatcherOptions
from takt.core.batching.stage import Stage
from takt.core.bundles.manifest import Manifest
from takt.core.domain import (
    DropReason,
    HeatmapKind,
    Image,
    InspectOptions,
    ModelOutput,
    Priority,
)
from takt.core.errors import (
    DeadlineExceededError,
    EngineError,
    NotReadyError,
    QueueFullError,
    RequestError,
)
from takt.core.inspection.inference import AdmittedPicture, Inference, Pools
from takt.core.inspection.tiled import TiledPictures
from takt.core.inspection.weight import weigh
from takt.core.pictures.tiles import Stitcher

TILES = {"width": 32, "height": 32, "overlap": 8, "blend": "linear"}
CURSED = 200


class Gated:
    """Answers brightness, waits at a gate while it is shut, and fails on a cursed first pixel."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, inputs: list[Image]) -> list[ModelOutput]:
        self.batches.append(len(inputs))
        self.entered.release()
        assert self.gate.wait(60)
        if any(one[0, 0, 0] == CURSED for one in inputs):
            raise EngineError("cursed") from ZeroDivisionError("why")
        maps = [(one.mean(axis=-1) / 255).astype(np.float32) for one in inputs]
        return [ModelOutput(anomaly_map, float(anomaly_map.max())) for anomaly_map in maps]

    async def busy(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=60)


class Dropped:
    def __init__(self) -> None:
        self.count = 0

    def on_batch(self, size: int, run_s: float) -> None:
        pass

    def on_dropped(self, reason: DropReason) -> None:
        self.count += 1


class Bench:
    """Tiled pictures before gated engines."""

    def __init__(
        self, tiled: TiledPictures, batcher: Batcher[Image, ModelOutput], dropped: Dropped
    ) -> None:
        self.tiled = tiled
        self.batcher = batcher
        self.dropped = dropped

    @property
    def depth(self) -> int:
        return len(self.batcher.stage.queue)

    def admit(self) -> None:
        self.batcher.check_open()
        most, tiled = self.batcher.options.max_queue_size, self.tiled
        Admission(most, tiled.preparing, tiled.large, tiled.running, Stage()).check("line", 30.0)

    async def run(
        self,
        data: bytes,
        heatmap: HeatmapKind = "none",
        priority: Priority = "line",
        deadline_s: float = math.inf,
    ) -> Inference:
        options = InspectOptions(heatmap=heatmap, priority=priority, timeout_s=30.0)
        with MemoryBudget().decoded() as room:
            picture = AdmittedPicture(data, weigh(data, 200_000), options, deadline_s, room)
            return await self.tiled.run(picture)

    def start(self, picture: Image, **options: Any) -> asyncio.Task[Inference]:
        return asyncio.create_task(self.run(encoded(picture), **options))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                await asyncio.sleep(0)


@pytest.fixture
def manifest(make_bundle) -> Manifest:
    return make_bundle(tiling=TILES).manifest


@asynccontextmanager
async def bench(
    manifest: Manifest, *runners: Gated, max_batch_size: int = 4, max_queue_size: int = 256
) -> AsyncIterator[Bench]:
    dropped = Dropped()
    options = BatcherOptions(
        max_batch_size=max_batch_size, max_queue_delay_s=0.0, max_queue_size=max_queue_size
    )
    batcher: Batcher[Image, ModelOutput] = Batcher(runners, options, dropped)
    with ThreadPoolExecutor(2) as preparing, ThreadPoolExecutor(2) as finishing:
        try:
            tiled = TiledPictures(manifest, batcher, Pools(preparing, finishing, 2), 200_000)
            yield Bench(tiled, batcher, dropped)
        finally:
            for runner in runners:
                runner.gate.set()
            await batcher.close(5)


def noise(width: int, height: int) -> Image:
    picture = np.random.default_rng(0).integers(0, CURSED, (height, width, 3), dtype=np.uint8)
    return picture  # type: ignore[return-value]


def encoded(picture: Image) -> bytes:
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done
    return data.tobytes()


async def test_the_answer_is_the_map_of_the_whole_picture(manifest: Manifest) -> None:
    runner, picture = Gated(), noise(200, 120)
    async with bench(manifest, runner) as on:
        ran = await on.start(picture)
    brightness = picture.mean(axis=-1) / 255
    answer = ran.done.result
    np.testing.assert_allclose(answer.anomaly_map, brightness, rtol=0, atol=1e-6)
    assert answer.score == pytest.approx(brightness.max(), abs=1e-6)
    assert (ran.seen.width, ran.seen.height, ran.seen.whole) == (200, 120, None)
    assert sum(runner.batches) == 8 * 5
    assert max(runner.batches) == 4
    times = (ran.waited_ms, ran.seen.decode_ms, ran.seen.preprocess_ms, ran.done.queue_s)
    assert min(times) >= 0
    assert ran.done.run_s > 0


async def test_the_picture_is_kept_where_it_is_to_be_drawn_on(manifest: Manifest) -> None:
    picture = noise(50, 40)
    async with bench(manifest, Gated()) as on:
        ran = await on.start(picture, heatmap="overlay")
    assert np.array_equal(ran.seen.whole, picture)


async def test_few_of_a_picture_s_tiles_are_there_at_a_time(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner, max_batch_size=2) as on:
        runner.gate.clear()
        running = on.start(noise(320, 320))
        await runner.busy()
        # A batch in the engine, two behind it; what comes next is not cut yet.
        await on.until(lambda: on.depth >= 4)
        for _ in range(100):
            await asyncio.sleep(0)
        assert on.depth + sum(runner.batches) == 3 * 2
        runner.gate.set()
        await running
        assert sum(runner.batches) == 13 * 13


async def test_a_picture_counts_as_one_however_many_tiles_it_has(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner, max_queue_size=1) as on:
        runner.gate.clear()
        picture = noise(320, 320)
        first, second = on.start(picture), on.start(picture)
        await runner.busy()
        on.admit()
        third = on.start(picture)
        await on.until(lambda: len(on.tiled.running.queue) == 1)
        with pytest.raises(QueueFullError, match="1 pictures wait already"):
            on.admit()
        runner.gate.set()
        await asyncio.gather(first, second, third)
        on.admit()


async def test_a_tile_that_fails_fails_its_picture_alone_and_drops_its_other_tiles(
    manifest: Manifest,
) -> None:
    runner, cursed = Gated(), noise(320, 320)
    cursed[0, 24] = CURSED  # where the second tile begins
    async with bench(manifest, runner) as on:
        failed, whole = await asyncio.gather(
            on.start(cursed), on.start(noise(90, 90)), return_exceptions=True
        )
        assert isinstance(failed, EngineError)
        assert isinstance(failed.__cause__, ZeroDivisionError)
        assert not isinstance(whole, BaseException)
        assert on.depth == 0
        assert sum(runner.batches) < 13 * 13
        # Nothing of it is left that would stand in the way of others.
        for _ in range(5):
            await on.start(noise(90, 90))


async def test_a_failed_picture_leaves_no_stitched_map_in_memory(manifest: Manifest) -> None:
    picture = noise(200, 200)
    picture[0, 0] = CURSED
    runner = Gated()
    gc.collect()
    gc.disable()
    try:
        async with bench(manifest, runner) as on:
            failed = 0
            for _ in range(5):
                try:  # pytest.raises would hold what was raised
                    await on.run(encoded(picture))
                except EngineError:
                    failed += 1
            assert failed == 5
            # A thread may still be letting go of the last one.
            assert sum(type(one) is Stitcher for one in gc.get_objects()) <= 1
    finally:
        gc.enable()


async def test_a_caller_who_leaves_takes_the_tiles_along(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        runner.gate.clear()
        running = on.start(noise(320, 320))
        await runner.busy()
        await on.until(lambda: on.depth > 0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert on.depth == 0
        assert on.dropped.count > 0
        runner.gate.set()
        for _ in range(5):
            await on.start(noise(90, 90))


async def test_a_bad_picture_fails_before_any_tile(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        with pytest.raises(RequestError):
            await on.run(b"no picture at all")
        with pytest.raises(RequestError):
            await on.start(noise(2000, 101))  # more pixels than are allowed
        assert runner.batches == []


async def test_tiles_whose_deadline_has_passed_do_not_run(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        with pytest.raises(DeadlineExceededError):
            await on.start(noise(320, 320), deadline_s=time.monotonic())
        assert runner.batches == []
        assert on.depth == 0


async def test_tiles_of_the_line_go_before_those_of_the_bulk(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        runner.gate.clear()
        bulk = on.start(noise(320, 320), priority="bulk")
        await runner.busy()
        line = on.start(noise(32, 32))
        runner.gate.set()
        await line
        assert not bulk.done()
        await bulk


async def test_draining_answers_what_was_accepted_though_not_all_tiles_are_queued(
    manifest: Manifest,
) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        runner.gate.clear()
        running = [on.start(noise(320, 320)) for _ in range(4)]
        await runner.busy()
        draining = asyncio.create_task(on.tiled.drain(20))
        runner.gate.set()
        await draining
        assert all(one.done() for one in running)
        await on.batcher.close(5)
        for one in running:
            assert one.result().done.result.score > 0
        with pytest.raises(NotReadyError):
            on.admit()
        with pytest.raises(NotReadyError):
            await on.start(noise(40, 40))


async def test_draining_ends_when_its_time_is_over(manifest: Manifest) -> None:
    runner = Gated()
    async with bench(manifest, runner) as on:
        runner.gate.clear()
        running = on.start(noise(320, 320))
        await runner.busy()
        await on.tiled.drain(0)
        assert not running.done()
        runner.gate.set()
        await running


async def test_several_engines_give_the_same_map_as_one(manifest: Manifest) -> None:
    picture = noise(300, 200)
    async with bench(manifest, Gated()) as on:
        alone = await on.start(picture)
    async with bench(manifest, Gated(), Gated(), Gated(), max_batch_size=3) as on:
        together = await asyncio.gather(*(on.start(picture) for _ in range(4)))
    for ran in together:
        assert np.array_equal(ran.done.result.anomaly_map, alone.done.result.anomaly_map)
