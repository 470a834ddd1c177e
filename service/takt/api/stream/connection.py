"""One WebSocket of a stream: reads frames, writes outcomes, and closes in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from takt.api.given import validated
from takt.api.labels import merged
from takt.api.stream.messages import (
    PartMessage,
    ViewMessage,
    message_of,
    problem_json,
    statistics_json,
)
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import NO_LABELS, Json, Labels
from takt.core.errors import (
    ImageTooLargeError,
    InvalidImageError,
    MemoryFullError,
    RequestError,
    UnauthenticatedError,
    UnavailableError,
)
from takt.core.problem import problem_of
from takt.observing.journal import UNKNOWN
from takt.streaming.frames import HEADER_BYTES, Frame, picture_after, unpack_header
from takt.streaming.link import Link, Outgoing, Stop
from takt.streaming.outcomes import (
    AnsweredFrame,
    DroppedFrame,
    answer_json,
    dropped_json,
    failed_json,
)
from takt.streaming.session import Session
from takt.streaming.sessions import Sessions
from takt.streaming.statistics import StreamStatistics

# Close codes of RFC 6455.
NORMAL, GOING_AWAY, NO_STATUS, POLICY_VIOLATION = 1000, 1001, 1005, 1008
INTERNAL, TRY_AGAIN_LATER = 1011, 1013


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client's disconnection, with the close code of its side."""

    code: int


async def send_json(websocket: WebSocket, message: Json) -> None:
    """Send a JSON object.

    Raises:
        WebSocketDisconnect: the client disconnected.
    """
    await websocket.send({"type": "websocket.send", "text": orjson.dumps(message).decode()})


async def close_with_error(websocket: WebSocket, error: Exception, request_id: str) -> None:
    """Send an error of the stream itself, and close.

    Raises:
        WebSocketDisconnect: the client disconnected.
    """
    await send_json(websocket, problem_json(problem_of(error, request_id)))
    if isinstance(error, RequestError):
        code = POLICY_VIOLATION
    else:
        code = TRY_AGAIN_LATER if isinstance(error, UnavailableError) else INTERNAL
    await websocket.close(code)


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """Joins a WebSocket and a session for as long as both last.

    Attributes:
        websocket: the accepted connection.
        welcome: the first message to the client.
        session: the stream.
        link: brings the session's outcomes to this connection.
        sessions: keeps the session when the connection is lost.
        memory: of pictures in flight.
        max_image_bytes: largest picture of a frame.
        labels: what the hello says of every frame.
    """

    websocket: WebSocket
    welcome: Json
    session: Session
    link: Link
    sessions: Sessions
    memory: MemoryBudget
    max_image_bytes: int
    labels: Labels = NO_LABELS

    async def run(self) -> None:
        """Serve until the client says bye or disconnects, or the server must close."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        lost = False
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self.link.stopped}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            lost = await self._end(reader, writer)
        except WebSocketDisconnect:
            lost = not self.session.finished
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self._leave(lost=lost)

    async def _end(
        self, reader: asyncio.Task[Disconnected | None], writer: asyncio.Task[None]
    ) -> bool:
        """Send the last messages for this kind of end; True if the client may resume.

        Raises:
            WebSocketDisconnect: the client disconnected.
        """
        if self._stopped_by(Stop.TAKEN_OVER):
            writer.cancel()
            await close_with_error(
                self.websocket,
                RequestError("another connection has taken this stream over"),
                self.session.id,
            )
            return False
        if self._stopped_by(Stop.REVOKED):
            writer.cancel()
            error = UnauthenticatedError(
                "the key of this stream was revoked or has expired; come again with another one"
            )
            await close_with_error(self.websocket, error, self.session.id)
            return not self.session.finished
        if writer.done():
            await writer
        if self.link.stopped.done():
            reader.cancel()
            await self._drain(writer)
            await self.websocket.close(GOING_AWAY)
            return False
        try:
            end = await reader
        except RequestError as error:
            await self._drain(writer)
            await close_with_error(self.websocket, error, self.session.id)
            return False
        if end is not None:
            return end.code != NORMAL
        await self._drain(writer)
        await send_json(self.websocket, statistics_json("bye", self.session.statistics))
        await self.websocket.close(NORMAL)
        return False

    async def _drain(self, writer: asyncio.Task[None]) -> None:
        """Accept no more frames, and send the outcomes of the accepted ones."""
        self.session.finish()
        await writer

    def _leave(self, *, lost: bool) -> None:
        # Whoever was stopped for another reason first may have been followed all the same.
        if not self.session.detach(self.link) or self._stopped_by(Stop.TAKEN_OVER):
            return
        if lost:
            self.sessions.keep(self.session)
        else:
            self.sessions.end(self.session)

    def _stopped_by(self, why: Stop) -> bool:
        stopped = self.link.stopped
        return stopped.done() and stopped.result() is why

    async def _read(self) -> Disconnected | None:
        """Accept frames while the session has room for them; None where the client says bye.

        Raises:
            RequestError: a message that is not in the protocol.
        """
        view: ViewMessage | None = None
        while True:
            await self.session.room()
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                return Disconnected(message.get("code", NO_STATUS))
            if self.link.stopped.done():
                return Disconnected(GOING_AWAY)
            data = message.get("bytes")
            if data is not None:
                self._accept(data, view)
                view = None
                continue
            text = message_of(message["text"])
            if text["type"] == "bye":
                return None
            said = self._handle_text(text)
            if said is not None and view is not None:
                raise RequestError(
                    "a message of type view came after another one; send the frame that shows the "
                    "view after each"
                )
            view = said or view

    def _accept(self, data: bytes, view: ViewMessage | None) -> None:
        header = unpack_header(data)
        try:
            if len(data) - HEADER_BYTES > self.max_image_bytes:
                raise ImageTooLargeError(
                    f"the frame exceeds {self.max_image_bytes} bytes; send a smaller picture, or "
                    "raise max_image_bytes"
                )
            picture = picture_after(header, data)
            held = self.memory.encoded()
            # An encoded picture is copied before it is decoded.
            held.add(len(data) if header.format else 2 * len(data))
        except (InvalidImageError, ImageTooLargeError, MemoryFullError) as error:
            # Which model a view asks for stands in its recipe, which nobody has looked at yet.
            model = None if view is None else UNKNOWN
            self.session.refuse(header.sequence, header.captured_us, error, model)
            return
        labels = merged(self.session.part if view is None else view.labels, self.labels)
        shown = None if view is None else view.shown
        frame = Frame(header.sequence, header.captured_us, picture, held.close, labels, shown)
        try:
            self.session.accept(frame)
        except BaseException:
            held.close()
            raise

    def _handle_text(self, message: Json) -> ViewMessage | None:
        """Act on a text message; gives what it says of the next frame."""
        kind = message["type"]
        if kind == "view":
            return validated(ViewMessage, message, "view")
        if kind == "part":
            self.session.part = validated(PartMessage, message, "part").labels
        elif kind == "stats":
            self.session.report()
        else:
            raise RequestError(
                f"a message of type {kind!r} came; send frames, part, view, stats or bye"
            )
        return None

    async def _write(self) -> None:
        """Send outcomes until there are no more.

        Raises:
            WebSocketDisconnect: the client disconnected.
        """
        await send_json(self.websocket, self.welcome)
        while (outgoing := await self.link.next()) is not None:
            await self._send(outgoing)
            self.session.sent(self.link)

    async def _send(self, outgoing: Outgoing) -> None:
        if isinstance(outgoing, AnsweredFrame):
            request_id = f"{self.session.id}-{outgoing.sequence}"
            await send_json(self.websocket, answer_json(outgoing, request_id))
            if outgoing.inspection.heatmap is not None:
                data = outgoing.inspection.heatmap.data
                await self.websocket.send({"type": "websocket.send", "bytes": data})
        elif isinstance(outgoing, DroppedFrame):
            await send_json(self.websocket, dropped_json(outgoing))
        elif isinstance(outgoing, StreamStatistics):
            await send_json(self.websocket, statistics_json("stats", outgoing))
        else:
            await send_json(self.websocket, failed_json(outgoing))
