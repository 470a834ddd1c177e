"""A model that sees pictures tile by tile: decode, cut, run, stitch."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from takt.core.batching.batcher import Batcher
from takt.core.batching.stage import Stage
from takt.core.batching.work import Done
from takt.core.bundles.manifest import Manifest, Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.domain import FactVector, Image, ModelInput, ModelOutput
from takt.core.inspection.fact_sampling import FactSampling
from takt.core.inspection.inference import AdmittedPicture, Inference, Pools, ms_since, on_thread
from takt.core.pictures.decode import Decoded
from takt.core.pictures.facts import facts_of_large
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.placement import placement
from takt.core.pictures.prepare import Picture, ReadPicture, read_for_model, upright
from takt.core.pictures.preprocess import preprocess
from takt.core.pictures.tiles import Stitcher, Tile, tile_grid

_AT_ONCE = 2
"""Pictures that are decoded and cut at the same time: the next while the engine has the first."""

_BATCHES_AHEAD = 3
"""Batches for each engine: one that is cut, one that waits, one that runs."""


@dataclass(frozen=True, slots=True)
class _Fed:
    """A picture whose tiles are all cut and queued.

    Attributes:
        seen: the picture as it was read.
        stitcher: of its maps.
        waited_ms: before the first tile was cut, but for the decoding.
        turn_s: when its turn came, on the performance counter.
        cut_s: when its first tiles were cut, on the performance counter.
        first: runs these tiles and gives the seconds that they were queued.
    """

    seen: ReadPicture
    stitcher: Stitcher
    waited_ms: float
    turn_s: float
    cut_s: float
    first: asyncio.Task[float]


class TiledPictures:
    """Takes pictures through a batcher of tiles; made and used on one event loop.

    A picture waits for its turn as the bytes in which it came, since it is large once it is
    decoded, and counts as one, however many tiles it has. Then its tiles are cut, resized and
    queued a batch at a time, and stitched in their order. Of all pictures together, at most
    `_BATCHES_AHEAD` batches of tiles for each engine are between the cut and the stitched map.

    Args:
        manifest: of a bundle with tiles.
        batcher: runs model inputs, [H,W,3], of tiles.
        pools: threads that decode, cut, resize and stitch.
        max_pixels: most that a picture may have.
        sampling: has the look of good pictures, beside which the facts of each are told; None for
            none. A picture of many tiles takes so long that no sample is drawn.

    Attributes:
        preparing: always empty, since a picture is prepared while it runs; so is `large`.
        running: pictures whose turn to be cut has not come, and how fast whole ones are answered.
    """

    def __init__(
        self,
        manifest: Manifest,
        batcher: Batcher[ModelInput, ModelOutput],
        pools: Pools,
        max_pixels: int,
        sampling: FactSampling | None = None,
    ) -> None:
        self._look = None if sampling is None else sampling.look
        assert manifest.tiling is not None
        self._tiling: Tiling = manifest.tiling
        self._spec = manifest.preprocess
        self._map_size = manifest.map_size
        self._batcher = batcher
        self._pools = pools
        self._max_pixels = max_pixels
        self._batch_size = batcher.options.max_batch_size
        tiles_ahead = _BATCHES_AHEAD * self._batch_size * batcher.stage.throughput.workers
        self._slots = asyncio.Semaphore(tiles_ahead)
        self.preparing, self.large, self.running = Stage(), Stage(), Stage(at_once=_AT_ONCE)
        self._unanswered = Stage()
        self._answered_s = 0.0

    async def run(self, picture: AdmittedPicture) -> Inference:
        """See `Pictures.run`; a tile that fails takes the others out of the queue."""
        with self._unanswered.count(picture.options.priority):
            fed = await self._stitched(picture)
        answered_s = time.perf_counter()
        self.running.throughput.ran(1, answered_s - max(fed.turn_s, self._answered_s))
        self._answered_s = answered_s
        queue_s = fed.first.result()
        run_s = answered_s - fed.cut_s - queue_s
        done = Done(fed.stitcher.answer(), queue_s, run_s)
        return Inference(picture, fed.seen, done, fed.waited_ms)

    async def drain(self, timeout_s: float) -> None:
        """See `Pictures.drain`: tiles that are not queued yet would be refused."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._unanswered.empty()

    async def _stitched(self, picture: AdmittedPicture) -> _Fed:
        """Feed a picture and await all its answers; the first failure ends all of it."""
        try:
            async with asyncio.TaskGroup() as answers:
                return await self._feed(picture, answers)
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
            # Frames hold the futures that hold what was raised in them, and the stitched map.
            for one in (failed, *failed.exceptions):
                traceback.clear_frames(one.__traceback__)
        # Not in the `except`, as the failure may have a cause of its own, which a log shows.
        try:
            raise first
        finally:
            del first  # for its traceback has this frame now

    async def _feed(self, picture: AdmittedPicture, answers: asyncio.TaskGroup) -> _Fed:
        """Wait for a turn, decode, and queue every tile; the group's tasks await the answers."""
        loop = asyncio.get_running_loop()
        came_s = time.perf_counter()
        room, priority, deadline_s = picture.room, picture.options.priority, picture.deadline_s
        async with self.running.turn(priority, deadline_s):
            turn_s = time.perf_counter()
            await room.take(picture.weight.decoding_bytes)
            keep = picture.keeps_decoded()
            decode = partial(self._decode, picture.data, picture.weight.header)
            decoded, facts, decode_ms = await on_thread(self._pools.preparing, decode, room)
            height, width, _ = decoded.picture.shape
            planned = tile_grid(self._tiling, width, height, self._map_size)
            stitcher = Stitcher(planned)
            remaining = iter(planned)
            first: asyncio.Task[float] | None = None
            latest: asyncio.Task[float] | None = None
            begun_s = cut_s = 0.0
            while tiles := list(islice(remaining, self._batch_size)):
                with contextlib.ExitStack() as slots:
                    for _ in tiles:
                        await self._slots.acquire()
                        slots.callback(self._slots.release)
                    begun_s = begun_s or time.perf_counter()
                    cut = partial(_cut, decoded.picture, tiles, self._spec)
                    inputs = await loop.run_in_executor(self._pools.preparing, cut)
                    cut_s = cut_s or time.perf_counter()
                    submit = partial(self._batcher.submit_parts, inputs, priority, deadline_s)
                    latest = answers.create_task(self._answer(submit, tiles, stitcher, latest))
                    # Not at the end of the task itself: one that is cancelled before it begins
                    # never gets there.
                    latest.add_done_callback(partial(_close, slots.pop_all()))
                first = first or latest
        room.give_back()
        assert first is not None
        return _Fed(
            seen=ReadPicture(
                width=decoded.width,
                height=decoded.height,
                placed=placement(self._spec, decoded.width, decoded.height, decoded.turn),
                whole=upright(decoded) if keep else None,
                decode_ms=decode_ms,
                preprocess_ms=(cut_s - begun_s) * 1000,
                turn=decoded.turn,
                warning=decoded.warning,
                facts=facts,
            ),
            stitcher=stitcher,
            waited_ms=(begun_s - came_s) * 1000 - decode_ms,
            turn_s=turn_s,
            cut_s=cut_s,
            first=first,
        )

    def _decode(
        self, data: Picture, header: ImageHeader | None
    ) -> tuple[Decoded, FactVector | None, float]:
        started_s = time.perf_counter()
        decoded = read_for_model(data, self._spec, self._max_pixels, header)
        facts = None
        if self._look is not None:
            facts = facts_of_large(decoded.picture).beside(self._look)
        return decoded, facts, ms_since(started_s)

    async def _answer(
        self,
        submit: Callable[[], Awaitable[list[Done[ModelOutput]]]],
        tiles: Sequence[Tile],
        stitcher: Stitcher,
        before: asyncio.Task[float] | None,
    ) -> float:
        """Run tiles, and stitch them after those before; gives how long the first waited."""
        done = await submit()
        if before is not None:
            await before
        stitch = partial(_stitch, stitcher, tiles, [one.result for one in done])
        await asyncio.get_running_loop().run_in_executor(self._pools.finishing, stitch)
        return min(one.queue_s for one in done)


def _close(slots: contextlib.ExitStack, _answered: object) -> None:
    slots.close()


def _cut(picture: Image, tiles: Sequence[Tile], spec: Preprocess) -> list[ModelInput]:
    return [preprocess(tile.of(picture), spec) for tile in tiles]


def _stitch(stitcher: Stitcher, tiles: Sequence[Tile], answers: Sequence[ModelOutput]) -> None:
    for tile, answer in zip(tiles, answers, strict=True):
        stitcher.add(tile, answer)
