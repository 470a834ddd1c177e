"""One WebSocket of a stream: reads frames, writes outcomes, and ends in good order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.api.stream.messages import figures_json, message_of, problem_json
from service.domain import Json
from service.errors import (
    ImageTooLargeError,
    InvalidImageError,
    RequestError,
    UnavailableError,
    problem_of,
)
from service.streaming.figures import Figures
from service.streaming.frames import HEADER_BYTES, Frame, picture_after, unpack_header
from service.streaming.link import Link, Outgoing, Stop
from service.streaming.outcomes import Answered, Dropped, answer_json, dropped_json, failed_json
from service.streaming.session import Session
from service.streaming.sessions import Sessions

NORMAL, GOING_AWAY, NO_STATUS, POLICY_VIOLATION = 1000, 1001, 1005, 1008
INTERNAL, TRY_AGAIN_LATER = 1011, 1013


@dataclass(frozen=True, slots=True)
class Bye:
    """The client has sent all it wants to send."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The client is not there any more; `code` is what its side was closed with."""

    code: int


async def say(websocket: WebSocket, message: Json) -> None:
    """Send a JSON object.

    Raises:
        WebSocketDisconnect: the client is gone.
    """
    await websocket.send({"type": "websocket.send", "text": orjson.dumps(message).decode()})


async def complain(websocket: WebSocket, error: Exception, request_id: str) -> None:
    """Say what is wrong with the stream itself, and close.

    Raises:
        WebSocketDisconnect: the client is gone.
    """
    await say(websocket, problem_json(problem_of(error, request_id)))
    if isinstance(error, RequestError):
        code = POLICY_VIOLATION
    else:
        code = TRY_AGAIN_LATER if isinstance(error, UnavailableError) else INTERNAL
    await websocket.close(code)


class Connection:
    """Joins a WebSocket and a session for as long as both last.

    Args:
        websocket: accepted.
        welcome: sent before anything else.
        session: the stream.
        link: of this connection.
        sessions: where the session is kept when the connection is lost.
        max_image_bytes: of a frame's picture.
    """

    def __init__(
        self,
        websocket: WebSocket,
        welcome: Json,
        session: Session,
        link: Link,
        sessions: Sessions,
        max_image_bytes: int,
    ) -> None:
        self._websocket = websocket
        self._welcome = welcome
        self._session = session
        self._link = link
        self._sessions = sessions
        self._max_image_bytes = max_image_bytes

    @property
    def session(self) -> Session:
        """The stream."""
        return self._session

    async def run(self) -> None:
        """Serve until the client says bye or is gone, or the server must close."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        lost = False
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._link.stopped}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            lost = await self._end(reader, writer)
        except WebSocketDisconnect:
            lost = not self._session.finished
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self._leave(lost=lost)

    async def _end(self, reader: asyncio.Task[Bye | Gone], writer: asyncio.Task[None]) -> bool:
        """Say the last words that fit why it ends; True if somebody may come back.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        if self._taken_over:
            writer.cancel()
            await complain(
                self._websocket,
                RequestError("another connection has taken this stream over"),
                self._session.key[:8],
            )
            return False
        if writer.done():
            await writer
        if self._link.stopped.done():
            reader.cancel()
            await self._drain(writer)
            await self._websocket.close(GOING_AWAY)
            return False
        try:
            end = await reader
        except RequestError as error:
            await self._drain(writer)
            await complain(self._websocket, error, self._session.key[:8])
            return False
        if isinstance(end, Gone):
            return end.code != NORMAL
        await self._drain(writer)
        await say(self._websocket, figures_json("bye", self._session.figures))
        await self._websocket.close(NORMAL)
        return False

    async def _drain(self, writer: asyncio.Task[None]) -> None:
        """Take no more and send what was accepted."""
        self._session.finish()
        await writer

    def _leave(self, *, lost: bool) -> None:
        self._session.detach(self._link)
        if self._taken_over:
            return
        if lost:
            self._sessions.keep(self._session)
        else:
            self._sessions.end(self._session)

    @property
    def _taken_over(self) -> bool:
        stopped = self._link.stopped
        return stopped.done() and stopped.result() is Stop.TAKEN_OVER

    async def _read(self) -> Bye | Gone:
        """Take frames, as long as there is room for them.

        Raises:
            RequestError: a message that is none of ours.
        """
        while True:
            await self._session.room()
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return Gone(message.get("code", NO_STATUS))
            if self._link.stopped.done():
                return Gone(GOING_AWAY)
            data = message.get("bytes")
            if data is not None:
                self._take(data)
            elif self._obey(message["text"]):
                return Bye()

    def _take(self, data: bytes) -> None:
        header = unpack_header(data)
        try:
            if len(data) - HEADER_BYTES > self._max_image_bytes:
                raise ImageTooLargeError(
                    f"the frame exceeds {self._max_image_bytes} bytes; send a smaller picture, or "
                    "raise max_image_bytes"
                )
            picture = picture_after(header, data)
        except (InvalidImageError, ImageTooLargeError) as error:
            self._session.refuse(header.sequence, header.captured_us, error)
        else:
            self._session.accept(Frame(header.sequence, header.captured_us, picture))

    def _obey(self, text: str) -> bool:
        """Do what a text message asks for; True if it says bye."""
        kind = message_of(text)["type"]
        if kind == "bye":
            return True
        if kind != "stats":
            raise RequestError(f"a message of type {kind!r} came; send frames, stats or bye")
        self._session.report()
        return False

    async def _write(self) -> None:
        """Send outcomes until no more will come.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        await say(self._websocket, self._welcome)
        while (outgoing := await self._link.next()) is not None:
            await self._send(outgoing)
            self._session.sent(self._link)

    async def _send(self, outgoing: Outgoing) -> None:
        if isinstance(outgoing, Answered):
            request_id = f"{self._session.key[:8]}-{outgoing.sequence}"
            await say(self._websocket, answer_json(outgoing, request_id))
            if outgoing.inspection.heatmap is not None:
                data = outgoing.inspection.heatmap.data
                await self._websocket.send({"type": "websocket.send", "bytes": data})
        elif isinstance(outgoing, Dropped):
            await say(self._websocket, dropped_json(outgoing))
        elif isinstance(outgoing, Figures):
            await say(self._websocket, figures_json("stats", outgoing))
        else:
            await say(self._websocket, failed_json(outgoing))
