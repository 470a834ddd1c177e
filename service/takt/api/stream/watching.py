"""`GET /v1/streams`, and `WS /v1/streams/{id}/watch`: a stream's newest frame, for who looks on."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from takt.api.labels import merged
from takt.api.problems import caller_of
from takt.api.stream.connection import GOING_AWAY, NORMAL, close_with_error, send_json
from takt.api.stream.messages import message_of, statistics_json
from takt.api.stream.schemas import StreamOut, StreamsOut
from takt.api.stream.shown_picture import JPEG, PictureEncoder, media_type_of
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import Json, RawPicture
from takt.core.errors import RequestError, UnauthenticatedError
from takt.peers import Message, Peers
from takt.security.guard import Guard
from takt.streaming.link import Stop
from takt.streaming.outcomes import AnsweredFrame, answer_json, failed_json
from takt.streaming.session import Session
from takt.streaming.sessions import Sessions
from takt.streaming.watching import Glance, ShownFrame, Watcher

WATCH_PATH = "/v1/streams/{id}/watch"
"""Path by which a stream is watched."""

MOST_PER_S = 40.0
"""Most frames a second that a watcher is shown, so that it costs the stream little."""

MOST_BYTES_PER_S = 16 * 1024 * 1024
"""Most bytes of pictures a second that a watcher is shown."""

_UNSLOWED = 4
"""Watchers beyond these share what these may have, so that many cost no more."""

_ENCODING_SHARE = 0.1
"""Most of its time that a watcher has raw pixels encoded."""


def watching_router(watching: Watching) -> APIRouter:
    """The routes by which streams are found and watched."""
    router = APIRouter(tags=["streams"])

    @router.get("/v1/streams")
    async def list_streams() -> StreamsOut:
        """The streams that are open, and those that may still be gone on with."""
        return StreamsOut(streams=await watching.streams())

    @router.websocket(WATCH_PATH, "watch_stream")
    async def watch_stream(websocket: WebSocket, id: str) -> None:
        await watching.serve(websocket, id)

    return router


def held_in(memory: MemoryBudget, size: int) -> Callable[[], None] | None:
    """Take so many bytes for a picture that is watched; None if there are none."""
    held = memory.decoded()
    return held.close if held.keep(size) else None


def described(session: Session) -> StreamOut:
    """A stream as others may know it: without its key."""
    about = session.about
    assert about is not None
    labels = merged(session.part, about.labels)
    return StreamOut(
        id=session.id,
        model=about.model,
        version=about.version,
        policy=session.rules.policy,
        station=labels.station,
        part=labels.part,
        caller=about.caller,
        since=datetime.fromtimestamp(about.since_s, UTC),
        connected=session.connected,
        watchers=len(session.audience),
        counts=session.counts,
    )


@dataclass(frozen=True, slots=True)
class Watching:
    """Shows streams to those who watch.

    Attributes:
        sessions: the streams.
        guard: knows when a watcher's key is revoked.
        encoder: makes raw pixels visible.
        peers: the other workers, which have streams of their own.
    """

    sessions: Sessions
    guard: Guard
    encoder: PictureEncoder
    peers: Peers

    def __post_init__(self) -> None:
        """Tell the others of this worker's streams."""
        self.peers.answer("streams", self._tell)

    async def streams(self) -> list[StreamOut]:
        """Those of all workers: the connected ones first, the oldest first."""
        own = [described(one) for one in self.sessions]
        replies = await self.peers.ask("streams", {})
        told = [one for reply in replies for one in reply.body.get("streams", ())]
        if not told:
            return own
        streams = [*own, *map(StreamOut.model_validate, told)]
        return sorted(streams, key=lambda one: (not one.connected, one.since))

    async def _tell(self, _: Message) -> Message:
        return {"streams": [described(one).model_dump(mode="json") for one in self.sessions]}

    async def serve(self, websocket: WebSocket, id: str) -> None:
        """Serve one watcher to its end, and answer its errors."""
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.accept()
            try:
                with self.sessions.watch(id) as (session, watcher):
                    end = partial(watcher.stop, Stop.REVOKED)
                    with self.guard.hold(caller_of(websocket.scope), end):
                        await self._show(websocket, session, watcher)
            except (WebSocketDisconnect, asyncio.CancelledError):
                raise
            except Exception as error:
                await close_with_error(websocket, error, uuid.uuid4().hex)

    async def _show(self, websocket: WebSocket, session: Session, watcher: Watcher) -> None:
        """Show frames until the stream, the watcher or its key ends.

        Raises:
            RequestError: the watcher said what is not in the protocol.
            UnauthenticatedError: its key was revoked.
            WebSocketDisconnect: it has left.
        """
        reader = asyncio.create_task(_read(websocket, watcher))
        writer = asyncio.create_task(self._write(websocket, session, watcher))
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, watcher.stopped}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
        if watcher.stopped.done():
            raise UnauthenticatedError(
                "the key of this watcher was revoked or has expired; come again with another one"
            )
        for task in (reader, writer):
            if not task.cancelled():
                task.result()

    async def _write(self, websocket: WebSocket, session: Session, watcher: Watcher) -> None:
        watched = described(session).model_dump(mode="json")
        await send_json(websocket, {"type": "watching", "stream": watched})
        while (view := await watcher.next()) is not None:
            began_s = time.perf_counter()
            try:
                pause_s = await self._send(websocket, session, view)
            finally:
                view.frame.let_go()
            pause_s *= max(1.0, self.sessions.watchers / _UNSLOWED)
            await asyncio.sleep(max(0.0, began_s + pause_s - time.perf_counter()))
        await send_json(websocket, statistics_json("ended", session.statistics))
        await websocket.close(GOING_AWAY if self.sessions.closing else NORMAL)

    async def _send(self, websocket: WebSocket, session: Session, view: Glance) -> float:
        """Send a frame; gives the seconds until the next one may follow."""
        frame = view.frame
        kind, data, encoding_s = await self._picture(frame)
        message: Json = {
            "type": "frame",
            "frame": _outcome_json(frame, session),
            "counts": asdict(frame.counts),
            "skipped": [asdict(one) for one in view.skipped],
            "picture": None if data is None else {"media_type": kind, "bytes": len(data)},
        }
        await send_json(websocket, message)
        sent = 0
        for part in (data, _heatmap_of(frame)):
            if part is not None:
                sent += len(part)
                await websocket.send({"type": "websocket.send", "bytes": bytes(part)})
        return max(1 / MOST_PER_S, sent / MOST_BYTES_PER_S, encoding_s / _ENCODING_SHARE)

    async def _picture(
        self, frame: ShownFrame
    ) -> tuple[str | None, bytes | memoryview | None, float]:
        """Media type and bytes of what is to be seen, and how long it took to encode."""
        picture = frame.picture
        if isinstance(picture, RawPicture):
            began_s = time.perf_counter()
            data = await self.encoder.jpeg_of(frame, picture)
            return JPEG, data, time.perf_counter() - began_s
        kind = None if picture is None else media_type_of(picture)
        return kind, picture if kind else None, 0.0


async def _read(websocket: WebSocket, watcher: Watcher) -> None:
    """Hear what the watcher has shown, until it leaves.

    Raises:
        RequestError: a message that is not in the protocol.
        WebSocketDisconnect: it has left.
    """
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        text = message.get("text")
        if text is None:
            raise RequestError("bytes came; who watches says `shown` alone")
        kind = message_of(text)["type"]
        if kind != "shown":
            raise RequestError(f"a message of type {kind!r} came; who watches says `shown` alone")
        watcher.acknowledge()


def _outcome_json(frame: ShownFrame, session: Session) -> Json:
    outcome = frame.outcome
    if isinstance(outcome, AnsweredFrame):
        return answer_json(outcome, f"{session.id}-{outcome.sequence}")
    return failed_json(outcome)


def _heatmap_of(frame: ShownFrame) -> bytes | None:
    if not isinstance(frame.outcome, AnsweredFrame):
        return None
    heatmap = frame.outcome.inspection.heatmap
    return None if heatmap is None else heatmap.data
