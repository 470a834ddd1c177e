"""Inspects on a server, through takt_client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict
from typing import cast

import takt_client
from takt.commands.access import refusal_in_words
from takt.commands.watch.outage import Outage
from takt.commands.watch.streams import OpenStream, WatchOptions
from takt.core.domain import (
    Box,
    FactName,
    Heatmap,
    Inspection,
    RawPicture,
    Reason,
    Region,
    Timings,
    Verdict,
    WarningCode,
)
from takt.core.errors import InvalidParameterError, TaktError
from takt.sources.pacing import Shot
from takt.streaming.evidence import VoteCount
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome
from takt_client import AsyncTaktClient, FrameAnswer, FrameRefused, RetryPolicy, StreamItem
from takt_client.connection import Server, ServerAccess
from takt_client.errors import InsufficientScopeError
from takt_client.session import PartLabels, StreamChoices
from takt_client.stream import AsyncTaktStream

RETRY = RetryPolicy(deadline_s=3600.0, first_delay_s=1.0, max_delay_s=10.0)
"""Retries that outlast a restart of the server, or a network that is down during a break."""


class ServerError(TaktError):
    """The server refuses the stream, or stays away."""

    code = "server"
    title = "Server"


class RemoteStream:
    """A stream to a server's model.

    Args:
        stream: open stream of the client.
    """

    def __init__(self, stream: AsyncTaktStream) -> None:
        self._stream = stream

    async def send(self, shot: Shot) -> None:
        """Sends a shot as soon as there is room for it."""
        labels = _labels_of(shot) or None
        await self._stream.send(sendable(shot.picture), captured_us=shot.captured_us, labels=labels)

    async def finish(self) -> None:
        """Says that no shot follows."""
        await self._stream.finish()

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Outcomes of the shots."""
        async for item in self._stream:
            yield _outcome(item)


@asynccontextmanager
async def remote_streams(
    url: str, access: ServerAccess, model: str | None, version: str | None, outage: Outage
) -> AsyncIterator[OpenStream]:
    """Streams to a server's model.

    Args:
        url: URL of the server.
        access: what the server is shown, and which certificates it may have.
        model: name of the model; None for the only one.
        version: version of the model; None for the active one.
        outage: hears when the server is away, and when it is back.

    Raises:
        ServerError: the URL is none, or a file of `access` cannot be used.
    """
    try:
        Server.of(url, access)
    except takt_client.TaktError as error:
        raise ServerError(str(error)) from None

    @asynccontextmanager
    async def open_stream(options: WatchOptions) -> AsyncIterator[RemoteStream]:
        # A client each, as a listener hears of all that its client does.
        with closing(outage.listener()) as listener:
            async with (
                AsyncTaktClient(url, retry=RETRY, listener=listener, **access) as client,
                remote_stream(client, model, version, options) as stream,
            ):
                yield stream

    yield open_stream


@asynccontextmanager
async def remote_stream(
    client: AsyncTaktClient, model: str | None, version: str | None, options: WatchOptions
) -> AsyncIterator[RemoteStream]:
    """A stream to a server's model.

    Args:
        client: client of the server; the caller closes it.
        model: name of the model; None for the only one.
        version: version of the model; None for the active one.
        options: options of the watch.

    Raises:
        InvalidParameterError: no model was named, and there are several.
        ServerError: the server cannot be reached, or refuses.
    """
    choices: StreamChoices = {"policy": options.policy}
    if options.vote is not None:
        choices["vote"] = {"k": options.vote.k, "n": options.vote.n}
    if options.smoothing is not None:
        choices["smoothing"] = options.smoothing
    if options.overlays:
        choices["heatmap"] = "overlay"
    if options.station is not None:
        choices["station"] = options.station
    if options.lot is not None:
        choices["lot"] = options.lot
    try:
        name = model or await _only_model(client)
        async with client.stream(name, version=version, **choices) as stream:
            yield RemoteStream(stream)
    except takt_client.TaktError as error:
        raise ServerError(refusal_in_words(error)) from None


def _labels_of(shot: Shot) -> PartLabels:
    labels: PartLabels = {}
    if shot.labels.part is not None:
        labels["part"] = shot.labels.part
    if shot.labels.lot is not None:
        labels["lot"] = shot.labels.lot
    if shot.labels.tags:
        labels["tags"] = dict(shot.labels.tags)
    return labels


def sendable(picture: bytes | RawPicture) -> bytes | takt_client.RawPicture:
    """A picture as the client takes it."""
    if isinstance(picture, bytes):
        return picture
    return takt_client.RawPicture(picture.pixels, picture.width, picture.height, picture.format)


async def _only_model(client: AsyncTaktClient) -> str:
    try:
        names = [model.name for model in await client.models()]
    except InsufficientScopeError as error:
        raise InvalidParameterError(f"{error}; or name the model with --model") from None
    if not names:
        raise InvalidParameterError(
            "the server has no model yet; learn the first one, or put a bundle into its repository"
        )
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


def _reason(reason: takt_client.Reason) -> Reason:
    return Reason(**asdict(reason) | {"fact": cast(FactName, reason.fact)})


def _answered(item: FrameAnswer) -> AnsweredFrame:
    seen, vote = item.inspected, item.vote
    regions = tuple(Region(Box(**asdict(one.box)), one.area_px, one.peak) for one in seen.regions)
    return AnsweredFrame(
        sequence=item.sequence,
        captured_us=item.captured_us,
        inspection=Inspection(
            model=seen.model,
            version=seen.version,
            verdict=Verdict(
                seen.anomalous,
                seen.score,
                seen.threshold,
                seen.percentile,
                regions,
                undecided=None if seen.undecided is None else _reason(seen.undecided),
            ),
            width=seen.width,
            height=seen.height,
            inspected=Box(**asdict(seen.inspected)),
            heatmap=None if seen.heatmap is None else Heatmap(**asdict(seen.heatmap)),
            timings=Timings(**asdict(seen.timings)),
            warnings=cast(tuple[WarningCode, ...], seen.warnings),
        ),
        age_ms=item.age_ms,
        dropped=item.dropped,
        smoothed_score=item.smoothed_score,
        vote=None if vote is None else VoteCount(**asdict(vote)),
    )
