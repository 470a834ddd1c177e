"""The way through a model that sees pictures tile by tile, from the picture to its stitched map."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from service.batching.admission import Admission, Backlog
from service.batching.batcher import Batcher
from service.batching.items import Done
from service.batching.limiter import Turns
from service.bundles.manifest import Manifest, Preprocess, Tiling
from service.domain import Image, ModelOutput, Priority
from service.pictures.placement import placement
from service.pictures.prepare import Picture, ReadPicture, whole_picture
from service.pictures.preprocess import preprocess
from service.pictures.tiles import Stitcher, Tile, tile_grid

_AT_ONCE = 2
"""Pictures that are decoded and cut at the same time: the next while the engine has the first."""

_BATCHES_AHEAD = 3
"""For each engine: one that is cut, one that waits, one that runs."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A picture that the engine has answered.

    Attributes:
        seen: what was read.
        done: the answer.
        waited_ms: for threads, and for a turn.
    """

    seen: ReadPicture
    done: Done[ModelOutput]
    waited_ms: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture that is to be taken through.

    Attributes:
        data: a whole file, or pixels.
        keep: the whole picture, to draw on.
        priority: of all its tiles.
        deadline_s: on the monotonic clock, of all its tiles too.
    """

    data: Picture
    keep: bool = False
    priority: Priority = "line"
    deadline_s: float = math.inf


@dataclass(frozen=True, slots=True)
class _Decoded:
    picture: Image
    decode_ms: float


@dataclass(frozen=True, slots=True)
class _Fed:
    """A picture whose tiles are all cut and queued.

    Attributes:
        seen: what was read.
        stitcher: of its maps.
        waited_ms: before the first tile was cut, but for the decoding.
        turn_s: when its turn came, on the clock that counts performance.
        cut_s: when its first tiles were cut, likewise.
        first: has these run and gives for how many seconds they were queued.
    """

    seen: ReadPicture
    stitcher: Stitcher
    waited_ms: float
    turn_s: float
    cut_s: float
    first: asyncio.Task[float]


class Tiled:
    """Takes pictures through a batcher of tiles; made and used on one event loop.

    A picture waits for its turn as the bytes in which it came, since it is large once it is
    decoded, and counts as one, however many tiles it has. When its turn has come, its tiles are
    cut, resized and queued a batch at a time, and stitched in their order. Of all pictures
    together, at most `_BATCHES_AHEAD` batches of tiles for each engine are between the cut and the
    stitched map; the others are not there yet.

    Args:
        manifest: of a bundle with tiles.
        batcher: runs model inputs, uint8 [H,W,3], of tiles.
        preparing: threads that decode, cut and resize.
        finishing: threads that stitch.
        max_pixels: most that a picture may have.
    """

    def __init__(
        self,
        manifest: Manifest,
        batcher: Batcher[Image, ModelOutput],
        preparing: Executor,
        finishing: Executor,
        max_pixels: int,
    ) -> None:
        assert manifest.tiling is not None
        self._tiling: Tiling = manifest.tiling
        self._spec = manifest.preprocess
        self._map_size = manifest.map_size
        self._batcher = batcher
        self._preparing = preparing
        self._finishing = finishing
        self._max_pixels = max_pixels
        self._admission = Admission(batcher.options.room)
        self._turns = Turns(_AT_ONCE)
        self._batch_size = batcher.options.max_batch_size
        self._slots = asyncio.Semaphore(_BATCHES_AHEAD * self._batch_size * batcher.runners)
        self._under_way = 0
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._answered_s = 0.0

    @property
    def waiting(self) -> int:
        """Pictures whose turn has not come."""
        return self._turns.waiting

    def admit(self, coming: Backlog, priority: Priority, timeout_s: float) -> None:
        """Refuse at once a picture that there is no room for; see `Batcher.admit`.

        Args:
            coming: pictures that were admitted, and are still being read or finished.
            priority: of the picture.
            timeout_s: within which its answer is wanted.
        """
        self._batcher.check_open()
        found = Backlog(
            held=self.waiting + coming.held,
            ahead=self._turns.ahead_of(priority) + coming.ahead,
        )
        self._admission.check(found, 1, priority, timeout_s)

    async def run(self, asked: Asked) -> Ran:
        """Take a picture through; cancelling takes its tiles out of the queue.

        Raises:
            RequestError: the picture is at fault.
            NotReadyError: the batcher is closed.
            DeadlineExceededError: the deadline passed before the turn of the picture or of a tile.
            EngineError: the engine failed on a tile; the others are taken out of the queue.
        """
        self._under_way += 1
        self._none_left.clear()
        try:
            fed = await self._stitched(asked)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none_left.set()
        answered_s = time.perf_counter()
        self._admission.pace.ran(1, answered_s - max(fed.turn_s, self._answered_s))
        self._answered_s = answered_s
        queue_s = fed.first.result()
        run_s = answered_s - fed.cut_s - queue_s
        return Ran(fed.seen, Done(fed.stitcher.answer(), queue_s, run_s), fed.waited_ms)

    async def drain(self, timeout_s: float) -> None:
        """Wait until every picture that is under way is answered, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._none_left.wait()

    async def _stitched(self, asked: Asked) -> _Fed:
        """Feed a picture and await all its answers; the first failure ends all of it."""
        try:
            async with asyncio.TaskGroup() as answers:
                return await self._feed(asked, answers)
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

    async def _feed(self, asked: Asked, answers: asyncio.TaskGroup) -> _Fed:
        """Wait for a turn, decode, and queue every tile; the group's tasks await the answers."""
        loop = asyncio.get_running_loop()
        came_s = time.perf_counter()
        async with self._turns.turn(asked.priority, asked.deadline_s):
            turn_s = time.perf_counter()
            decode = partial(_decode, asked.data, self._max_pixels)
            decoded = await loop.run_in_executor(self._preparing, decode)
            picture = decoded.picture
            height, width, _ = picture.shape
            planned = tile_grid(self._tiling, width, height, self._map_size)
            stitcher = Stitcher(planned)
            first: asyncio.Task[float] | None = None
            latest: asyncio.Task[float] | None = None
            begun_s = cut_s = 0.0
            for tiles in _batches(iter(planned), self._batch_size):
                await self._take_slots(len(tiles))
                try:
                    begun_s = begun_s or time.perf_counter()
                    cut = partial(_cut, picture, tiles, self._spec)
                    inputs = await loop.run_in_executor(self._preparing, cut)
                    cut_s = cut_s or time.perf_counter()
                except BaseException:
                    self._give_slots(len(tiles))
                    raise
                answering = self._answer(asked, tiles, inputs, stitcher, latest)
                latest = answers.create_task(answering)
                # Not at the end of the task itself: one that is cancelled before it begins never
                # gets there.
                latest.add_done_callback(partial(self._is_done, len(tiles)))
                first = first or latest
        assert first is not None
        return _Fed(
            seen=ReadPicture(
                width=width,
                height=height,
                placed=placement(self._spec, width, height),
                whole=picture if asked.keep else None,
                decode_ms=decoded.decode_ms,
                preprocess_ms=(cut_s - begun_s) * 1000,
            ),
            stitcher=stitcher,
            waited_ms=(begun_s - came_s) * 1000 - decoded.decode_ms,
            turn_s=turn_s,
            cut_s=cut_s,
            first=first,
        )

    async def _answer(
        self,
        asked: Asked,
        tiles: Sequence[Tile],
        inputs: Sequence[Image],
        stitcher: Stitcher,
        before: asyncio.Task[float] | None,
    ) -> float:
        """Have tiles run, and stitch them after those before; gives how long the first waited."""
        done = await self._batcher.submit_parts(inputs, asked.priority, asked.deadline_s)
        if before is not None:
            await before
        stitch = partial(_stitch, stitcher, tiles, [one.result for one in done])
        await asyncio.get_running_loop().run_in_executor(self._finishing, stitch)
        return min(one.queue_s for one in done)

    async def _take_slots(self, count: int) -> None:
        taken = 0
        try:
            for _ in range(count):
                await self._slots.acquire()
                taken += 1
        except BaseException:
            self._give_slots(taken)
            raise

    def _is_done(self, count: int, answered: asyncio.Task[float]) -> None:
        self._give_slots(count)

    def _give_slots(self, count: int) -> None:
        for _ in range(count):
            self._slots.release()


def _decode(data: Picture, max_pixels: int) -> _Decoded:
    started_s = time.perf_counter()
    picture = whole_picture(data, max_pixels)
    return _Decoded(picture, (time.perf_counter() - started_s) * 1000)


def _batches(tiles: Iterator[Tile], size: int) -> Iterator[list[Tile]]:
    while batch := list(islice(tiles, size)):
        yield batch


def _cut(picture: Image, tiles: Sequence[Tile], spec: Preprocess) -> list[Image]:
    return [preprocess(tile.of(picture), spec) for tile in tiles]


def _stitch(stitcher: Stitcher, tiles: Sequence[Tile], answers: Sequence[ModelOutput]) -> None:
    for tile, answer in zip(tiles, answers, strict=True):
        stitcher.add(tile, answer)
