"""A server that inspects; needs takt_client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import takt_client
from service.commands.watch.pacing import Shot
from service.commands.watch.streams import Wishes
from service.domain import Box, Heatmap, Inspection, RawPicture, Region, Timings, Verdict
from service.errors import InvalidParameterError
from service.streaming.evidence import VoteCount
from service.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome
from takt_client import AsyncTaktClient, FrameAnswer, FrameRefused, RetryPolicy, StreamItem
from takt_client.session import StreamChoices
from takt_client.stream import AsyncTaktStream

RETRY = RetryPolicy(deadline_s=3600.0, max_delay_s=30.0)
"""A server that is restarted, or a network that is down for a shift's break, is waited for."""


class RemoteStream:
    """A stream to a server's model.

    Args:
        stream: that is open.
    """

    def __init__(self, stream: AsyncTaktStream) -> None:
        self._stream = stream

    async def send(self, shot: Shot) -> None:
        """Sends a shot, as soon as there is room for it."""
        given = shot.picture
        picture = (
            takt_client.RawPicture(given.pixels, given.width, given.height, given.format)
            if isinstance(given, RawPicture)
            else given
        )
        await self._stream.send(picture, captured_us=shot.captured_us)

    async def finish(self) -> None:
        """Says that no shot follows."""
        await self._stream.finish()

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """An outcome for each shot."""
        async for item in self._stream:
            yield _outcome(item)


@asynccontextmanager
async def remote_stream(
    client: AsyncTaktClient, model: str | None, version: str | None, wishes: Wishes
) -> AsyncIterator[RemoteStream]:
    """A stream to a server's model.

    Args:
        client: of the server; to be closed by the caller.
        model: its name; None for the only one.
        version: of the model; None for the active one.
        wishes: options of the stream.

    Raises:
        InvalidParameterError: no model was named, and there are several.
        takt_client.TaktError: the server cannot be reached, or refuses.
    """
    choices: StreamChoices = {"policy": wishes.policy}
    if wishes.vote is not None:
        choices["vote"] = {"k": wishes.vote.k, "n": wishes.vote.n}
    if wishes.smoothing is not None:
        choices["smoothing"] = wishes.smoothing
    if wishes.overlays:
        choices["heatmap"] = "overlay"
    name = model or await _only_model(client)
    async with client.stream(name, version=version, **choices) as stream:
        yield RemoteStream(stream)


async def _only_model(client: AsyncTaktClient) -> str:
    names = [model.name for model in await client.models()]
    if len(names) != 1:
        raise InvalidParameterError(
            f"the server has the models {', '.join(names)}; name one with --model"
        )
    return names[0]


def _outcome(item: StreamItem) -> Outcome:
    if isinstance(item, FrameAnswer):
        return _answered(item)
    if isinstance(item, FrameRefused):
        error = item.error
        return FailedFrame(item.sequence, error.status, error.code, error.title, str(error))
    return DroppedFrame(item.sequence, item.dropped)


def _answered(item: FrameAnswer) -> AnsweredFrame:
    seen, vote = item.inspected, item.vote
    regions = tuple(Region(_box(one.box), one.area_px, one.peak) for one in seen.regions)
    heatmap = None if seen.heatmap is None else Heatmap(**asdict(seen.heatmap))
    return AnsweredFrame(
        sequence=item.sequence,
        captured_us=item.captured_us,
        inspection=Inspection(
            model=seen.model,
            version=seen.version,
            verdict=Verdict(seen.anomalous, seen.score, seen.threshold, seen.percentile, regions),
            width=seen.width,
            height=seen.height,
            inspected=_box(seen.inspected),
            heatmap=heatmap,
            timings=Timings(**asdict(seen.timings)),
        ),
        age_ms=item.age_ms,
        dropped=item.dropped,
        smoothed_score=item.smoothed_score,
        vote=None if vote is None else VoteCount(vote.anomalous, vote.count, vote.of),
    )


def _box(box: takt_client.values.Box) -> Box:
    return Box(box.x, box.y, box.width, box.height)
