"""A model that sees the picture as a whole: decode, resize, run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from takt.core.batching.batcher import Batcher
from takt.core.batching.stage import Stage
from takt.core.batching.work import Done, RunOne
from takt.core.bundles.manifest import Manifest
from takt.core.domain import ModelInput, ModelOutput, RawPicture
from takt.core.errors import DeadlineExceededError
from takt.core.inspection.fact_sampling import FactSampling
from takt.core.inspection.inference import AdmittedPicture, Inference, Pools, ms_since, on_thread
from takt.core.pictures.prepare import Prepared, prepare

_QUICK_S = 0.001
"""Longest time of an engine that decodes whatever waits."""

_LENT_BYTES = 1 << 20
"""Largest file that an idle engine's thread decodes: some ten milliseconds of a JPEG."""


class WholePictures:
    """Takes whole pictures through a batcher; made and used on one event loop.

    They are decoded ahead of the queue, so that a bad picture fails before it.

    Args:
        manifest: of a bundle without tiles.
        batcher: runs model inputs, [H,W,3].
        pools: threads that decode and resize.
        max_pixels: most that a picture may have.
        sampling: says which pictures have their facts told; None where none has.

    Attributes:
        preparing: pictures that are decoded and resized, or wait for that.
        large: large ones, which are, so that small ones do not wait for them.
        running: the batcher's queue.
    """

    def __init__(
        self,
        manifest: Manifest,
        batcher: Batcher[ModelInput, ModelOutput],
        pools: Pools,
        max_pixels: int,
        sampling: FactSampling | None = None,
    ) -> None:
        self._sampling = sampling
        self._spec = manifest.preprocess
        self._batcher = batcher
        self._pools = pools
        self._max_pixels = max_pixels
        # Each thread has one picture at work and one at hand; others wait by priority.
        self.preparing = Stage(workers=pools.threads, at_once=2 * pools.threads)
        self.large = Stage(workers=pools.threads, at_once=pools.threads)
        self.running = batcher.stage

    async def run(self, picture: AdmittedPicture) -> Inference:
        """See `Pictures.run`; a picture to draw on is kept if there is room for it."""
        begun_s = time.perf_counter()
        weight, room = picture.weight, picture.room
        priority, deadline_s = picture.options.priority, picture.deadline_s
        # The engine's thread decodes a small picture: that saves changes of threads.
        if _is_small(picture):
            idle = self._batcher.idle_runners > len(self.preparing)
            # Bulk holds up no engine that the line may want in a moment.
            if idle and priority == "line" and room.take_now(weight.decoding_bytes):
                return await self._run_whole(picture, begun_s)
            if self._engines_decode:
                # Once its turn has come, the engines' queue counts it.
                async with self.preparing.turn(priority, deadline_s, counted=False):
                    await room.take(weight.decoding_bytes)
                    return await self._run_whole(picture, begun_s)
        stage, executor = self.preparing, self._pools.preparing
        if weight.large:
            stage, executor = self.large, self._pools.large or executor
        async with stage.turn(priority, deadline_s):
            await room.take(weight.decoding_bytes)
            ready = partial(self._prepare, picture, picture.keeps_decoded(), begun_s)
            prepared, waited_ms = await on_thread(executor, ready, room)
            room.give_back()
        seen = prepared.seen
        run_s = (seen.decode_ms + seen.preprocess_ms) / 1000
        stage.throughput.ran(1, run_s)
        done = await self._batcher.submit(prepared.model_input, priority, deadline_s)
        return Inference(picture, seen, done, waited_ms)

    @property
    def _engines_decode(self) -> bool:
        """Whether threads for decoding gain nothing, but cost changes of threads.

        Pictures run one by one on as many engines, which are done in no time. A slower engine is
        better kept at its graph: between two graphs its core would wait for the interpreter.
        """
        batcher = self._batcher
        quick = batcher.stage.throughput.batch_s <= _QUICK_S
        one_by_one = batcher.options.max_batch_size == 1
        return quick and one_by_one and batcher.working >= self._pools.threads

    async def _run_whole(self, picture: AdmittedPicture, begun_s: float) -> Inference:
        """Decode and run a picture on an engine's thread, in memory that was taken."""
        priority, deadline_s = picture.options.priority, picture.deadline_s
        ready = partial(self._prepare, picture, picture.keeps_decoded(), begun_s)
        job = partial(_run_here, ready, deadline_s)
        prepared, done, waited_ms = await self._batcher.run_job(job, priority, deadline_s)
        picture.room.give_back()
        return Inference(picture, prepared.seen, done, waited_ms)

    async def drain(self, timeout_s: float) -> None:
        """See `Pictures.drain`: the batcher itself answers what it has accepted."""

    def _prepare(
        self, picture: AdmittedPicture, keep: bool, ready_s: float
    ) -> tuple[Prepared, float]:
        waited_ms = ms_since(ready_s)
        prepared = prepare(
            picture.data,
            self._spec,
            self._max_pixels,
            keep=keep,
            look=None if self._sampling is None else self._sampling.look_for(picture.options),
            header=picture.weight.header,
        )
        return prepared, waited_ms


def _run_here(
    ready: Callable[[], tuple[Prepared, float]],
    deadline_s: float,
    run: RunOne[ModelInput, ModelOutput],
) -> tuple[Prepared, Done[ModelOutput], float]:
    """Prepare and run a picture on the engine's own thread."""
    prepared, waited_ms = ready()
    if time.monotonic() >= deadline_s:
        raise DeadlineExceededError("the picture was decoded after its deadline")
    return prepared, run(prepared.model_input), waited_ms


def _is_small(picture: AdmittedPicture) -> bool:
    """Whether decoding it may hold up an engine, should another picture come meanwhile."""
    data = picture.data
    return not picture.weight.large and (isinstance(data, RawPicture) or len(data) <= _LENT_BYTES)
