"""The journey of one picture: bytes -> decode -> preprocess -> batch -> verdict -> heatmap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.batching.admission import Backlog, Crowd
from service.batching.batcher import Batcher
from service.batching.items import RunOne
from service.batching.limiter import Turns
from service.batching.throughput import Pace
from service.bundles.bundle import Bundle
from service.bundles.thresholds import DeployedThresholds
from service.domain import (
    Heatmap,
    Image,
    Inspection,
    InspectOptions,
    ModelOutput,
    Priority,
    RawPicture,
    Timings,
    Verdict,
)
from service.errors import DeadlineExceededError
from service.inspection.tiled import Asked, Ran, Tiled
from service.pictures.heatmap import ColorScale, render
from service.pictures.postprocess import Criteria, judge, picture_score
from service.pictures.prepare import Picture, Prepared, prepare
from service.pictures.roi import roi_drawing

Read = Callable[[], Awaitable[Picture]]

_LENT_BYTES = 1 << 20
"""Largest file that an idle engine's thread decodes: some ten milliseconds of a JPEG."""

_AT_ONCE_CELLS = 1 << 17
"""Largest map that the event loop judges by itself, in well under a millisecond."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a picture and its answer must keep."""

    max_image_pixels: int
    max_regions: int


@dataclass(frozen=True, slots=True)
class Pools:
    """Threads for pictures.

    Attributes:
        preparing: decode and resize.
        finishing: judge and render; apart, so that what the engine has answered never waits
            behind pictures that come in.
        threads: of each.
    """

    preparing: Executor
    finishing: Executor
    threads: int


@dataclass(frozen=True, slots=True)
class _Finished:
    verdict: Verdict
    heatmap: Heatmap | None
    waited_ms: float
    postprocess_ms: float
    render_ms: float


class Pipeline:
    """One model, from a picture to its inspection; every protocol goes through here.

    Args:
        bundle: what the model wants and what its answers mean.
        batcher: runs model inputs, uint8 [H,W,3].
        pools: threads for decoding and rendering.
        limits: see there.
        thresholds: in force where a request names none; asked anew for each picture.
    """

    def __init__(
        self,
        bundle: Bundle,
        batcher: Batcher[Image, ModelOutput],
        pools: Pools,
        limits: Limits,
        thresholds: DeployedThresholds,
    ) -> None:
        self._manifest = bundle.manifest
        self._roi = roi_drawing(bundle)
        self._thresholds = thresholds
        self._good_scores: NDArray[np.float32] = np.sort(bundle.calibration.good_score)
        self._batcher = batcher
        self._pools = pools
        self._limits = limits
        self._reading, self._preparing, self._finishing = Crowd(), Crowd(), Crowd()
        # One at hand for each thread beside the one it has; what waits longer waits in lanes.
        self._to_prepare, self._to_finish = Turns(2 * pools.threads), Turns(2 * pools.threads)
        self._preparing_pace = Pace()
        self._under_way = 0
        self._quiet: asyncio.Event | None = None
        self._tiled = None
        if bundle.manifest.tiling is not None:
            self._tiled = Tiled(
                bundle.manifest,
                batcher,
                pools.preparing,
                pools.finishing,
                limits.max_image_pixels,
            )

    @property
    def depth(self) -> int:
        """Pictures that wait for the engine."""
        return self._batcher.depth if self._tiled is None else self._tiled.waiting

    async def quiet(self) -> None:
        """Wait until every inspection that has begun has ended; each has its timeout."""
        self._quiet = asyncio.Event()
        if self._under_way:
            await self._quiet.wait()

    async def drain(self, timeout_s: float) -> None:
        """Answer pictures whose tiles are not all in the queue; it has all of the others."""
        if self._tiled is not None:
            await self._tiled.drain(timeout_s)

    async def inspect(self, read: Read, options: InspectOptions) -> Inspection:
        """Inspect a picture.

        Args:
            read: gives the picture; called only if there is room for it.
            options: see there.

        Raises:
            RequestError: the picture or an option is at fault.
            QueueFullError, NotReadyError: at once, before anything is read.
            DeadlineExceededError: `options.timeout_s` passed; what waited is taken back.
            EngineError: the engine failed on the batch.
        """
        started_s = time.perf_counter()
        self._under_way += 1
        try:
            async with asyncio.timeout(options.timeout_s):
                return await self._journey(read, options, started_s)
        except TimeoutError:
            raise DeadlineExceededError(
                f"no answer within {options.timeout_s * 1000:.0f} ms; allow more time with "
                "timeout_ms, or add servers"
            ) from None
        finally:
            self._under_way -= 1
            if self._quiet is not None and not self._under_way:
                self._quiet.set()

    async def _journey(self, read: Read, options: InspectOptions, started_s: float) -> Inspection:
        deadline_s = time.monotonic() + options.timeout_s
        picture = await self._read(read, options)
        ran = await self._run(picture, options, deadline_s)
        finish = partial(self._finish, ran, options, time.perf_counter())
        if options.heatmap == "none" and ran.done.result.anomaly_map.size <= _AT_ONCE_CELLS:
            finished = finish()
        else:
            loop = asyncio.get_running_loop()
            with self._finishing.one(options.priority):
                async with self._to_finish.turn(options.priority, deadline_s):
                    finished = await loop.run_in_executor(self._pools.finishing, finish)
        return self._inspection(ran, finished, options, started_s)

    async def _read(self, read: Read, options: InspectOptions) -> Picture:
        """Take a picture in, if there is room for it."""
        admit = self._batcher.admit if self._tiled is None else self._tiled.admit
        admit(self._coming(options.priority), options.priority, options.timeout_s)
        with self._reading.one(options.priority):
            return await read()

    def _coming(self, priority: Priority) -> Backlog:
        """Who was admitted and is not in the queue: on the way to it, or behind it."""
        on_the_way = self._reading, self._preparing
        wait_s = 0.0
        if undecoded := self._to_prepare.ahead_of(priority):
            wait_s = self._preparing_pace.done_in_s(undecoded, self._pools.threads)
        return Backlog(
            held=sum(map(len, (*on_the_way, self._finishing))),
            ahead=sum(crowd.ahead_of(priority) for crowd in on_the_way),
            before_s=wait_s,
        )

    async def _run(self, picture: Picture, options: InspectOptions, deadline_s: float) -> Ran:
        """Decode ahead of the queue, so that a bad picture fails before it, and have it run.

        While an engine has nothing else to do its own thread decodes what takes it little time:
        that saves a lone picture a change of threads. Tiles of a picture have a way of their own.
        """
        if self._tiled is not None:
            keep = options.heatmap != "none"
            return await self._tiled.run(Asked(picture, keep, options.priority, deadline_s))
        ready = partial(self._prepare, picture, options, time.perf_counter())
        if self._batcher.idle > len(self._preparing) and _is_soon_decoded(picture, options):
            return await self._batcher.alone(partial(_run_alone, ready, deadline_s))
        with self._preparing.one(options.priority):
            async with self._to_prepare.turn(options.priority, deadline_s):
                loop = asyncio.get_running_loop()
                prepared, waited_ms = await loop.run_in_executor(self._pools.preparing, ready)
        self._preparing_pace.ran(1, (prepared.decode_ms + prepared.preprocess_ms) / 1000)
        done = await self._batcher.submit(prepared.model_input, options.priority, deadline_s)
        return Ran(prepared, done, waited_ms)

    def _prepare(
        self, picture: Picture, options: InspectOptions, ready_s: float
    ) -> tuple[Prepared, float]:
        waited_ms = _ms_since(ready_s)
        spec, most = self._manifest.preprocess, self._limits.max_image_pixels
        return prepare(picture, spec, most, keep=options.heatmap != "none"), waited_ms

    def _finish(self, ran: Ran, options: InspectOptions, ready_s: float) -> _Finished:
        waited_ms = _ms_since(ready_s)
        started_s = time.perf_counter()
        criteria = self._criteria(options)
        seen, answer = ran.seen, ran.done.result
        score = picture_score(
            answer.score,
            answer.anomaly_map,
            self._manifest.score_from,
            seen.width,
            seen.height,
        )
        verdict = judge(
            score,
            answer.anomaly_map,
            seen.placed,
            criteria,
            self._good_scores,
            self._limits.max_regions,
        )
        postprocess_ms = _ms_since(started_s)
        started_s = time.perf_counter()
        heatmap = None
        if seen.whole is not None:
            heatmap = render(
                options.heatmap,
                options.format,
                seen.whole,
                answer.anomaly_map,
                seen.placed.box,
                ColorScale(self._manifest.map.low, criteria.pixel_threshold),
                verdict.regions,
                self._roi,
            )
        return _Finished(verdict, heatmap, waited_ms, postprocess_ms, _ms_since(started_s))

    def _criteria(self, options: InspectOptions) -> Criteria:
        """The thresholds in force, where the request names none of its own."""
        ours = self._thresholds.in_force
        pixel = ours.pixel if options.pixel_threshold is None else options.pixel_threshold
        roi = self._manifest.roi
        return Criteria(
            threshold=ours.image if options.threshold is None else options.threshold,
            # However low a threshold is: what lies outside the region of interest never counts.
            pixel_threshold=pixel if roi is None else max(pixel, roi.outside),
        )

    def _inspection(
        self, ran: Ran, finished: _Finished, options: InspectOptions, started_s: float
    ) -> Inspection:
        seen, done = ran.seen, ran.done
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
                queue_ms=ran.waited_ms + done.queue_s * 1000 + finished.waited_ms,
                engine_ms=done.run_s * 1000,
                postprocess_ms=finished.postprocess_ms,
                render_ms=finished.render_ms,
                total_ms=_ms_since(started_s),
            ),
            anomaly_map=done.result.anomaly_map if options.with_map else None,
        )


def _run_alone(
    ready: Callable[[], tuple[Prepared, float]], deadline_s: float, run: RunOne[Image, ModelOutput]
) -> Ran:
    prepared, waited_ms = ready()
    if time.monotonic() >= deadline_s:
        raise DeadlineExceededError("the picture was decoded after its deadline")
    return Ran(prepared, run(prepared.model_input), waited_ms)


def _is_soon_decoded(picture: Picture, options: InspectOptions) -> bool:
    """Whether an engine may be held up by decoding it, should another picture come meanwhile."""
    if isinstance(picture, RawPicture):
        return options.priority == "line"
    return options.priority == "line" and len(picture) <= _LENT_BYTES


def _ms_since(started_s: float) -> float:
    return (time.perf_counter() - started_s) * 1000
