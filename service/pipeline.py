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

from service.batcher import Batcher
from service.bundle import Bundle
from service.decode import decode
from service.domain import (
    AnomalyMap,
    Heatmap,
    Image,
    Inspection,
    InspectOptions,
    Timings,
    Verdict,
)
from service.errors import DeadlineExceededError
from service.placement import Placement, placement
from service.postprocess import Criteria, judge, picture_score
from service.preprocess import preprocess
from service.render import ColorScale, render
from service.roi import drawn_of
from service.thresholds import DeployedThresholds

Read = Callable[[], Awaitable[bytes]]


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
    """

    preparing: Executor
    finishing: Executor


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says of one picture: anomaly_map float32 [h,w] and the graph's score."""

    anomaly_map: AnomalyMap
    score: float


@dataclass(frozen=True, slots=True)
class _Prepared:
    picture: Image | None
    width: int
    height: int
    placed: Placement
    model_input: Image
    waited_ms: float
    decode_ms: float
    preprocess_ms: float


@dataclass(frozen=True, slots=True)
class _Finished:
    verdict: Verdict
    heatmap: Heatmap | None
    waited_ms: float
    postprocess_ms: float
    render_ms: float


class Pipeline:
    """One model, from an encoded picture to its inspection; every protocol goes through here.

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
        batcher: Batcher[Image, Answer],
        pools: Pools,
        limits: Limits,
        thresholds: DeployedThresholds,
    ) -> None:
        self._manifest = bundle.manifest
        self._roi = drawn_of(bundle)
        self._thresholds = thresholds
        self._good_scores: NDArray[np.float32] = np.sort(bundle.calibration.good_score)
        self._batcher = batcher
        self._pools = pools
        self._limits = limits
        self._preparing = 0

    async def inspect(self, read: Read, options: InspectOptions) -> Inspection:
        """Inspect an encoded picture.

        Args:
            read: gives the picture's bytes; called only if there is room for it.
            options: see there.

        Raises:
            RequestError: the picture or an option is at fault.
            QueueFullError, NotReadyError: at once, before anything is read.
            DeadlineExceededError: `options.timeout_s` passed; what waited is taken back.
            EngineError: the engine failed on the batch.
        """
        started_s = time.perf_counter()
        try:
            async with asyncio.timeout(options.timeout_s):
                prepared = await self._prepare_ahead(read, keep=options.heatmap != "none")
                done = await self._batcher.submit(prepared.model_input)
                finish = partial(self._finish, prepared, done.result, options, time.perf_counter())
                if options.heatmap == "none":
                    finished = finish()
                else:
                    loop = asyncio.get_running_loop()
                    finished = await loop.run_in_executor(self._pools.finishing, finish)
        except TimeoutError:
            raise DeadlineExceededError(
                f"no answer within {options.timeout_s * 1000:.0f} ms; allow more time with "
                "timeout_ms, or add servers"
            ) from None
        return Inspection(
            model=self._manifest.name,
            version=self._manifest.version,
            verdict=finished.verdict,
            width=prepared.width,
            height=prepared.height,
            inspected=prepared.placed.box,
            heatmap=finished.heatmap,
            timings=Timings(
                decode_ms=prepared.decode_ms,
                preprocess_ms=prepared.preprocess_ms,
                queue_ms=prepared.waited_ms + done.queue_s * 1000 + finished.waited_ms,
                engine_ms=done.run_s * 1000,
                postprocess_ms=finished.postprocess_ms,
                render_ms=finished.render_ms,
                total_ms=_ms_since(started_s),
            ),
        )

    async def _prepare_ahead(self, read: Read, *, keep: bool) -> _Prepared:
        """Read and decode ahead of the queue, so that a bad picture fails before it."""
        self._batcher.admit(coming=self._preparing)
        self._preparing += 1
        try:
            prepare = partial(self._prepare, await read(), keep, time.perf_counter())
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pools.preparing, prepare)
        finally:
            self._preparing -= 1

    def _prepare(self, data: bytes, keep: bool, ready_s: float) -> _Prepared:
        waited_ms = _ms_since(ready_s)
        started_s = time.perf_counter()
        picture = decode(data, self._limits.max_image_pixels)
        decode_ms = _ms_since(started_s)
        started_s = time.perf_counter()
        spec = self._manifest.preprocess
        height, width, _ = picture.shape
        return _Prepared(
            picture=picture if keep else None,
            width=width,
            height=height,
            placed=placement(spec, width, height),
            model_input=preprocess(picture, spec),
            waited_ms=waited_ms,
            decode_ms=decode_ms,
            preprocess_ms=_ms_since(started_s),
        )

    def _finish(
        self, prepared: _Prepared, answer: Answer, options: InspectOptions, ready_s: float
    ) -> _Finished:
        waited_ms = _ms_since(ready_s)
        started_s = time.perf_counter()
        criteria = self._criteria(options)
        score = picture_score(
            answer.score,
            answer.anomaly_map,
            self._manifest.score_from,
            prepared.width,
            prepared.height,
        )
        verdict = judge(
            score,
            answer.anomaly_map,
            prepared.placed,
            criteria,
            self._good_scores,
            self._limits.max_regions,
        )
        postprocess_ms = _ms_since(started_s)
        started_s = time.perf_counter()
        heatmap = None
        if prepared.picture is not None:
            heatmap = render(
                options.heatmap,
                options.format,
                prepared.picture,
                answer.anomaly_map,
                prepared.placed.box,
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


def _ms_since(started_s: float) -> float:
    return (time.perf_counter() - started_s) * 1000
