"""The journey of one picture: admit -> read -> prepare -> run -> judge -> render.

A picture that is there is in one stage at a time: `preparing`, `running` and `finishing` count what
is in them, and `Admission` refuses a newcomer by these counts. `MemoryBudget` counts what pictures
take in all models together.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from takt.core.batching.admission import Admission
from takt.core.batching.batcher import Batcher
from takt.core.batching.memory import MemoryBudget
from takt.core.batching.stage import Stage
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.domain import (
    UNKNOWN_SOURCE,
    Inspection,
    InspectOptions,
    ModelInput,
    ModelOutput,
    Priority,
    Source,
    Timings,
)
from takt.core.errors import DeadlineExceededError
from takt.core.inspection.fact_sampling import FactSampling
from takt.core.inspection.finish import Finisher, Judgement
from takt.core.inspection.inference import (
    AdmittedPicture,
    Inference,
    Pictures,
    Pools,
    ms_since,
    on_thread,
)
from takt.core.inspection.tiled import TiledPictures
from takt.core.inspection.weight import weigh
from takt.core.inspection.whole import WholePictures
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.prepare import Picture
from takt.core.pictures.warnings import size_warnings

Read = Callable[[], Awaitable[Picture]]

_AT_ONCE_CELLS = 1 << 17
"""Largest map that the event loop judges by itself, in well under a millisecond."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a picture and its answer must keep."""

    max_image_pixels: int
    max_regions: int


class Pipeline:
    """One model, from a picture to its inspection; every protocol goes through here.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from pathlib import Path
    >>> from takt.core.batching.options import BatcherOptions
    >>> from takt.core.batching.work import Unobserved
    >>> from takt.core.bundles.bundle import load_bundle
    >>> from takt.core.bundles.thresholds import Overrides
    >>> from takt.core.domain import RawPicture
    >>> from takt.core.engines.batches import batch_runner
    >>> from takt.core.engines.fake import FakeEngine
    >>> async def grey() -> RawPicture:
    ...     return RawPicture(bytes([51]) * 64 * 48, width=64, height=48, format="mono8")
    >>> async def score() -> float:
    ...     bundle = load_bundle(Path("examples/models/pitting/1"))
    ...     runner, options = batch_runner(FakeEngine()), BatcherOptions(8, 0.0, 256)
    ...     batcher = Batcher([runner], options, Unobserved())
    ...     thresholds, limits = DeployedThresholds(bundle, Overrides()), Limits(10_000, 32)
    ...     with ThreadPoolExecutor() as pool:
    ...         pipeline = Pipeline(bundle, batcher, Pools(pool, pool, 1), limits, thresholds)
    ...         inspection = await pipeline.inspect(grey, InspectOptions(timeout_s=30.0))
    ...         await batcher.close(drain_timeout_s=1.0)
    ...     return inspection.verdict.score
    >>> round(asyncio.run(score()), 3)
    0.2

    Args:
        bundle: what the model wants and what its answers mean.
        batcher: runs model inputs, [H,W,3].
        pools: threads for decoding and rendering.
        limits: bounds of pictures and answers.
        thresholds: in force where a request names none; read for each picture.
        memory: of pictures in flight; one without a limit if None.
        source: what answers, for the record.
        keeps_facts: whether anybody keeps the facts of pictures.
    """

    def __init__(
        self,
        bundle: Bundle,
        batcher: Batcher[ModelInput, ModelOutput],
        pools: Pools,
        limits: Limits,
        thresholds: DeployedThresholds,
        memory: MemoryBudget | None = None,
        source: Source = UNKNOWN_SOURCE,
        *,
        keeps_facts: bool = True,
    ) -> None:
        self._source = source
        self._manifest = bundle.manifest
        self._batcher = batcher
        self._pools = pools
        good_facts = GoodFacts.of(bundle.calibration)
        sampling = None
        if good_facts is not None:
            sampling = FactSampling(good_facts.look, thresholds, kept=keeps_facts)
        pictures = WholePictures if bundle.manifest.tiling is None else TiledPictures
        self._pictures: Pictures = pictures(
            bundle.manifest, batcher, pools, limits.max_image_pixels, sampling
        )
        self._finisher = Finisher(
            bundle, thresholds, limits.max_regions, limits.max_image_pixels, good_facts
        )
        self._max_pixels = limits.max_image_pixels
        self._memory = memory or MemoryBudget()
        self._whole_journey = Stage()
        self._finishing = Stage(at_once=2 * pools.threads)
        self._finishing_large = Stage(at_once=pools.threads)
        self._admission = Admission(
            batcher.options.max_queue_size,
            self._pictures.preparing,
            self._pictures.large,
            self._pictures.running,
            self._finishing,
            self._finishing_large,
        )

    @property
    def depth(self) -> int:
        """Pictures that wait for the engine."""
        return len(self._pictures.running.queue)

    def check_room(
        self,
        priority: Priority = "line",
        timeout_s: float = math.inf,
        caller: str | None = None,
    ) -> None:
        """Refuse a picture that is still to be read, as `inspect` would.

        Raises:
            QueueFullError, NotReadyError: as `inspect` does.
        """
        self._batcher.check_open()
        self._admission.check(priority, timeout_s, caller=caller)

    async def quiet(self) -> None:
        """Wait until every inspection that has begun has ended; each has its timeout."""
        await self._whole_journey.empty()

    async def drain(self, timeout_s: float) -> None:
        """Wait for accepted pictures that closing the batcher would lose, or until the timeout."""
        await self._pictures.drain(timeout_s)

    async def inspect(self, read: Read, options: InspectOptions) -> Inspection:
        """Inspect a picture.

        Args:
            read: gives the picture; called only if there is room for it.
            options: of the request.

        Raises:
            RequestError: the picture or an option is at fault.
            QueueFullError, NotReadyError: at once, before anything is read, or when it was read,
                if others took the room meanwhile.
            DeadlineExceededError: `options.timeout_s` passed; what waited is taken back.
            EngineError: the engine failed on the batch.
        """
        started_s = time.perf_counter()
        self._whole_journey.enter(options.priority)
        try:
            async with asyncio.timeout(options.timeout_s):
                return await self._journey(read, options, started_s)
        except TimeoutError:
            raise DeadlineExceededError(
                f"no answer within {options.timeout_s * 1000:.0f} ms; allow more time with "
                "timeout_ms, or add servers"
            ) from None
        finally:
            self._whole_journey.leave(options.priority)

    async def _journey(self, read: Read, options: InspectOptions, started_s: float) -> Inspection:
        deadline_s = time.monotonic() + options.timeout_s
        caller = options.caller
        self.check_room(options.priority, options.timeout_s, caller)
        picture = await read()
        weight = weigh(picture, self._max_pixels)
        large = weight.large and self._manifest.tiling is None
        left_s = max(0.0, deadline_s - time.monotonic())
        self._admission.check(options.priority, left_s, large=large, caller=caller)
        self._admission.shares.take(caller)
        try:
            with self._memory.decoded() as room:
                admitted = AdmittedPicture(picture, weight, options, deadline_s, room)
                inference = (await self._pictures.run(admitted)).upright()
                finished = await self._finish(inference)
        finally:
            self._admission.shares.leave(caller)
        return self._inspection(inference, finished, started_s)

    async def _finish(self, inference: Inference) -> Judgement:
        """Judge and render; what takes less time than a change of threads happens at once."""
        picture = inference.picture
        options, weight = picture.options, picture.weight
        finish = partial(self._finisher.finish, inference, time.perf_counter())
        cells = inference.done.result.anomaly_map.size
        if options.heatmap == "none" and cells <= _AT_ONCE_CELLS:
            return finish()
        kept = inference.seen.whole is not None
        stage, executor = self._finishing, self._pools.finishing
        if weight.large:
            stage, executor = self._finishing_large, self._pools.large or executor
        async with stage.turn(options.priority, picture.deadline_s):
            await picture.room.take(weight.drawing_bytes(options.heatmap, kept=kept))
            return await on_thread(executor, finish, picture.room)

    def _inspection(
        self, inference: Inference, finished: Judgement, started_s: float
    ) -> Inspection:
        picture, seen, done = inference.picture, inference.seen, inference.done
        stored = picture.weight.header or seen
        warnings = size_warnings(self._manifest, stored.width, stored.height)
        if seen.warning is not None:
            warnings += (seen.warning,)
        return Inspection(
            model=self._manifest.name,
            version=self._manifest.version,
            verdict=finished.verdict,
            width=seen.width,
            height=seen.height,
            inspected=seen.placed.box,
            heatmap=finished.heatmap,
            timings=Timings(
                decode_ms=seen.decode_ms,
                preprocess_ms=seen.preprocess_ms,
                queue_ms=inference.waited_ms + done.queue_s * 1000 + finished.waited_ms,
                engine_ms=done.run_s * 1000,
                postprocess_ms=finished.postprocess_ms,
                render_ms=finished.render_ms,
                total_ms=ms_since(started_s),
            ),
            anomaly_map=done.result.anomaly_map if picture.options.with_map else None,
            warnings=warnings,
            source=self._source,
            facts=finished.facts,
        )
