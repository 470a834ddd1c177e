"""The part of the journey in which a picture gets through the engines, whole or in tiles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from takt.core.batching.memory import DecodedBytes
from takt.core.batching.stage import Stage
from takt.core.batching.work import Done
from takt.core.domain import InspectOptions, ModelOutput
from takt.core.inspection.weight import Weight
from takt.core.pictures.prepare import Picture, ReadPicture
from takt.core.pictures.turning import NO_TURN

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Pools:
    """Threads for pictures.

    Attributes:
        preparing: decode and resize.
        finishing: judge and render; apart, so that answers of the engine never wait behind
            pictures that come in.
        threads: of each.
        large: decode and draw large pictures, so that small ones need not wait for them; if None,
            the others do.
    """

    preparing: Executor
    finishing: Executor
    threads: int
    large: Executor | None = None


class AdmittedPicture(NamedTuple):
    """A picture that was admitted, on its way through a model.

    Attributes:
        data: a whole file, or pixels.
        weight: of the picture.
        options: of the request.
        deadline_s: on the monotonic clock.
        room: of this picture; what stays in memory with the answer is kept there.
    """

    data: Picture
    weight: Weight
    options: InspectOptions
    deadline_s: float
    room: DecodedBytes

    def keeps_decoded(self) -> bool:
        """Take room for the decoded picture until it is drawn on; False if it need not be kept."""
        return self.options.heatmap == "overlay" and self.room.keep(self.weight.kept_bytes)


class Inference(NamedTuple):
    """A picture that the engine has answered.

    Attributes:
        picture: as it came.
        seen: the picture as it was read.
        done: the answer.
        waited_ms: for threads, and for a turn.
    """

    picture: AdmittedPicture
    seen: ReadPicture
    done: Done[ModelOutput]
    waited_ms: float

    def upright(self) -> Inference:
        """With the map as a person sees the picture, where the model sees it as it is stored."""
        turn = self.seen.turn
        if turn == NO_TURN:
            return self
        result = self.done.result
        turned = result._replace(anomaly_map=turn.array(result.anomaly_map))
        return self._replace(done=self.done._replace(result=turned))


class Pictures(Protocol):
    """Takes pictures through a model's engines: `WholePictures` or `TiledPictures`."""

    preparing: Stage
    """Pictures on their way to the queue."""

    large: Stage
    """Large pictures on their way to the queue."""

    running: Stage
    """The queue, and how fast pictures are answered."""

    async def run(self, picture: AdmittedPicture) -> Inference:
        """Take a picture through; cancelling takes it out of the queue.

        Raises:
            RequestError: the picture is at fault.
            NotReadyError: the batcher is closed.
            DeadlineExceededError: the deadline passed while something waited.
            EngineError: the engine failed.
        """

    async def drain(self, timeout_s: float) -> None:
        """Wait for accepted pictures that closing the batcher would lose, or until the timeout."""


async def on_thread(executor: Executor, function: Callable[[], Made], room: DecodedBytes) -> Made:
    """Call a function on a thread of a pool.

    A thread cannot be stopped: if the caller is cancelled, what it has taken for this work is
    given back when the function returns.
    """
    running = executor.submit(function)
    try:
        return await asyncio.wrap_future(running)
    except asyncio.CancelledError:
        room.leave_to(running)
        raise


def ms_since(started_s: float) -> float:
    """Milliseconds since a moment of the performance counter."""
    return (time.perf_counter() - started_s) * 1000
