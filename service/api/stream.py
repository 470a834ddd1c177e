"""`WS /v1/models/{name}/stream`: frames in, their answers out, in order; docs/streaming.md."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.api.failures import problem_response
from service.api.origins import Origins
from service.api.stream_connection import Connection, complain
from service.api.stream_messages import Hello, failed_of, hello_of, welcome_json
from service.domain import Inspection
from service.errors import ForbiddenError, InvalidParameterError, RequestError, TaktError
from service.metrics import Metrics
from service.repository import ModelRepository
from service.streaming.entrance import Read
from service.streaming.outcomes import Answered, Dropped, Failed, Outcome
from service.streaming.session import Rules, Session
from service.streaming.sessions import Sessions

HELLO_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What the settings say of streams.

    Attributes:
        timeout_ms: of a frame, where the hello names none.
        credits: see `Rules`.
        max_image_bytes: of a frame's picture.
        origins: pages that may connect.
    """

    timeout_ms: float
    credits: int
    max_image_bytes: int
    origins: Origins


def stream_router(
    repository: ModelRepository, metrics: Metrics, sessions: Sessions, options: StreamOptions
) -> APIRouter:
    """The routes that stream, over these models."""
    router = APIRouter()
    streams = _Streams(repository, metrics, sessions, options)

    @router.websocket("/v1/models/{name}/stream")
    async def stream(websocket: WebSocket, name: str) -> None:
        await streams.serve(websocket, name, None)

    @router.websocket("/v1/models/{name}/versions/{version}/stream")
    async def stream_version(websocket: WebSocket, name: str, version: str) -> None:
        await streams.serve(websocket, name, version)

    return router


class _Streams:
    """Begins streams and goes on with them."""

    def __init__(
        self,
        repository: ModelRepository,
        metrics: Metrics,
        sessions: Sessions,
        options: StreamOptions,
    ) -> None:
        self._repository = repository
        self._metrics = metrics
        self._sessions = sessions
        self._options = options

    async def serve(self, websocket: WebSocket, name: str, version: str | None) -> None:
        """Serve one connection, whatever comes of it."""
        request_id = uuid.uuid4().hex
        try:
            self._options.origins.check(websocket.headers)
        except ForbiddenError as error:
            await _deny(websocket, error, request_id)
            return
        with contextlib.suppress(WebSocketDisconnect):
            try:
                await websocket.accept()
                hello = await _hello(websocket)
                await self._connect(websocket, hello, name, version).run()
            except (WebSocketDisconnect, asyncio.CancelledError):
                raise
            except Exception as error:
                code = error.code if isinstance(error, TaktError) else TaktError.code
                self._metrics.refused(self._label(name), "stream", code)
                await complain(websocket, error, request_id)

    def _connect(
        self, websocket: WebSocket, hello: Hello, name: str, version: str | None
    ) -> Connection:
        """Begin a session, or go on with the one that the hello names.

        Raises:
            ModelNotFoundError, NotReadyError: there is nothing to stream to.
            InvalidParameterError: the session was begun with other wishes.
            UnavailableError: as many streams as may be are open.
        """
        model = self._repository.get(name, version)
        assert model.pipeline is not None  # asking raises where the model is not ready
        wishes = (name, version, hello.wishes)
        session = self._sessions.find(hello.session) if hello.session else None
        if resumed := session is not None:
            if session.wishes != wishes:
                raise InvalidParameterError(
                    "the session was begun with another model or other fields; say the same hello "
                    "to go on with it, or one without `session`"
                )
            link = self._sessions.resume(session, hello.last_sequence)
        else:
            session = self._sessions.begin(lambda key: self._session(key, wishes, hello))
            if hello.last_sequence is not None:
                session.begin_after(hello.last_sequence)
            link = session.attach()
        welcome = welcome_json(session, resumed=resumed, model=model.name, version=model.version)
        return Connection(
            websocket, welcome, session, link, self._sessions, self._options.max_image_bytes
        )

    def _session(self, key: str, wishes: tuple[str, str | None, Hello], hello: Hello) -> Session:
        name, version, _ = wishes
        options = hello.options(self._options.timeout_ms)

        async def inspect(read: Read) -> Inspection:
            # Asked for anew, as another version may have become the active one.
            return await self._repository.get(name, version).pipeline.inspect(read, options)

        def explain(sequence: int, error: Exception) -> Failed:
            return failed_of(sequence, error, f"{key[:8]}-{sequence}")

        def observe(outcome: Outcome) -> None:
            match outcome:
                case Answered():
                    self._metrics.answered(outcome.inspection, "stream")
                    self._metrics.frame_answered(name, outcome.age_ms / 1000)
                case Failed():
                    self._metrics.refused(name, "stream", outcome.code)
                case Dropped():
                    self._metrics.frame_dropped(name, hello.policy)

        rules = Rules(
            policy=hello.policy,
            credits=self._options.credits,
            in_flight=self._repository.get(name, version).instances,
            patience_s=options.timeout_s,
            vote=hello.vote_rule,
            smoothing=hello.smoothing,
        )
        return Session(key, wishes, inspect, explain, rules, observe)

    def _label(self, name: str) -> str:
        """The name as a metric's label: only those of models that there are."""
        return name if any(model.name == name for model in self._repository) else "unknown"


async def _hello(websocket: WebSocket) -> Hello:
    """Wait for the hello.

    Raises:
        RequestError: something else came, or nothing.
        WebSocketDisconnect: the client is gone.
    """
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            message = await websocket.receive()
    except TimeoutError:
        raise RequestError(f"no hello came within {HELLO_WITHIN_S:.0f} s; say it first") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None:
        raise RequestError("the first message is a frame; say hello first")
    return hello_of(text)


async def _deny(websocket: WebSocket, error: ForbiddenError, request_id: str) -> None:
    """Refuse the handshake, with a body where the server can send one."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problem_response(error, request_id))
    else:
        await websocket.close()
