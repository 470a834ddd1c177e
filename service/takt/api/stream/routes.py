"""`WS /v1/models/{name}/stream`: frames in, their answers out in order; see docs/streaming.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from takt.api.labels import labels_of_headers
from takt.api.multiview.viewing import Views
from takt.api.paths import version_of, versioned
from takt.api.problems import asked_of, caller_of, client_of, share_of
from takt.api.stream.connection import Connection, close_with_error
from takt.api.stream.messages import Hello, hello_of, welcome_json
from takt.api.stream.views import StreamViews, frame_id
from takt.api.stream.watching import held_in
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import Inspection, Labels
from takt.core.errors import InvalidParameterError, RequestError
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import UNKNOWN, Journal
from takt.observing.logging_setup import log_event
from takt.observing.records import NOTHING_ASKED, ViewOfPart
from takt.observing.tracing.base import Tracing
from takt.peers import Message, Peers
from takt.repository.model_version import ModelVersion
from takt.repository.repository import ModelRepository
from takt.security.guard import Guard
from takt.settings import Settings
from takt.streaming.entrance import Read
from takt.streaming.frames import Frame
from takt.streaming.link import Stop
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome, failed_of
from takt.streaming.session import Rules, Session
from takt.streaming.sessions import Sessions
from takt.streaming.watching import About, Audience

STREAM_PATH = "/v1/models/{name}/stream"
"""Path of the streams of a model's active version."""

HELLO_WITHIN_S = 10.0
"""Longest wait for a client's first message."""

_LEFT_WITHIN_S = 1.0
"""Longest wait until other workers have let go of a stream that goes on here."""

logger = logging.getLogger("takt.stream")


def stream_router(streams: Streams) -> APIRouter:
    """The routes that stream."""
    router = APIRouter()

    @versioned(router.websocket, STREAM_PATH, "stream_version")
    async def stream(websocket: WebSocket, name: str) -> None:
        await streams.serve(websocket, name, version_of(websocket))

    return router


@dataclass(frozen=True, slots=True)
class Streams:
    """Begins streams, and resumes them.

    Attributes:
        repository: the models.
        metrics: counts frames.
        journal: counts and logs each picture and each refusal.
        sessions: the open streams, and those that wait for a new connection.
        memory: of pictures in flight.
        views: takes views of parts on.
        settings: of the server.
        guard: knows when a caller's key is revoked.
        peers: the other workers, which have streams of their own.
        tracing: records a trace of each frame; None for no traces.
    """

    repository: ModelRepository
    metrics: Metrics
    journal: Journal
    sessions: Sessions
    memory: MemoryBudget
    views: Views
    settings: Settings
    guard: Guard
    peers: Peers
    tracing: Tracing | None = None

    def __post_init__(self) -> None:
        """Hear of streams that go on elsewhere."""
        self.peers.answer("stream_left", self._left)

    async def serve(self, websocket: WebSocket, name: str, version: str | None) -> None:
        """Serve one connection to its end, and answer its errors."""
        request_id = uuid.uuid4().hex
        with contextlib.suppress(WebSocketDisconnect):
            try:
                await websocket.accept()
                hello = await _hello(websocket)
                if hello.session and self.sessions.find(hello.session) is None:
                    # It begins anew here; whoever has it need not wait for its client.
                    await self.peers.ask("stream_left", {"key": hello.session}, _LEFT_WITHIN_S)
                connection = self._connect(websocket, hello, name, version)
                end = partial(connection.link.stop, Stop.REVOKED)
                try:
                    with self.guard.hold(caller_of(websocket.scope), end):
                        await connection.run()
                finally:
                    _log_end(connection.session)
            except (WebSocketDisconnect, asyncio.CancelledError):
                raise
            except Exception as error:
                known = name if self.repository.knows(name) else UNKNOWN
                self.journal.refused(known, "stream", error, request_id)
                await close_with_error(websocket, error, request_id)

    async def _left(self, body: Message) -> Message:
        self.sessions.give_up(body["key"])
        return {}

    def _connect(
        self, websocket: WebSocket, hello: Hello, name: str, version: str | None
    ) -> Connection:
        """Begin a session, or resume the one that the hello names.

        Raises:
            ModelNotFoundError: there is no such model.
            NotReadyError: the model cannot serve.
            InvalidParameterError: the session was begun with other wishes.
            UnavailableError: as many streams are open as allowed.
        """
        model = self.repository.get(name, version)
        model.check_ready()
        labels = labels_of_headers(websocket.scope["headers"], hello.labels)
        wishes = (name, version, hello.wishes)
        session = self.sessions.find(hello.session) if hello.session else None
        if resumed := session is not None:
            if session.wishes != wishes:
                raise InvalidParameterError(
                    "the session was begun with another model or other fields; say the same hello "
                    "to go on with it, or one without `session`"
                )
            link = self.sessions.resume(session, hello.last_sequence)
        else:
            session = self.sessions.begin(lambda key: self._session(key, wishes, websocket, labels))
            if hello.last_sequence is not None:
                session.begin_after(hello.last_sequence)
            link = session.attach()
        _log_begin(websocket, session, model, resumed=resumed)
        welcome = welcome_json(session, resumed=resumed, model=model.name, version=model.version)
        return Connection(
            websocket,
            welcome,
            session,
            link,
            self.sessions,
            self.memory,
            self.settings.max_image_bytes,
            labels,
        )

    def _session(
        self,
        key: str,
        wishes: tuple[str, str | None, Hello],
        websocket: WebSocket,
        labels: Labels,
    ) -> Session:
        name, version, hello = wishes
        scope, tracing = websocket.scope, self.tracing
        frames = None if tracing is None else tracing.stream(scope, name)
        options = hello.options(self.settings.timeout_ms, share_of(scope))

        async def inspect(read: Read) -> Inspection:
            # Looked up for each frame: another version may have become the active one.
            return await self.repository.get(name, version).pipeline.inspect(read, options)

        async def commit(inspection: Inspection, frame: Frame, view: ViewOfPart | None) -> None:
            asked = asked_of(scope, frame.picture, frame.labels)._replace(view=view)
            request_id = frame_id(key, frame.sequence)
            answers = [(inspection, asked)]
            await self.journal.commit(answers, "stream", request_id, options.timeout_s)

        async def commit_frame(inspection: Inspection, frame: Frame) -> None:
            await commit(inspection, frame, None)

        def explain(sequence: int, error: Exception) -> FailedFrame:
            return failed_of(sequence, error, frame_id(key, sequence))

        def observe(outcome: Outcome, frame: Frame | None) -> None:
            match outcome:
                case AnsweredFrame():
                    asked = NOTHING_ASKED
                    if frame is not None:
                        asked = asked_of(scope, frame.picture, frame.labels)
                    if outcome.view is not None:
                        of_part = ViewOfPart(outcome.view.number, outcome.view.view)
                        asked = asked._replace(view=of_part)
                    request_id = frame_id(key, outcome.sequence)
                    self.journal.answered(outcome.inspection, "stream", request_id, asked)
                    self.metrics.frame_answered(name, outcome.age_ms / 1000)
                case FailedFrame():
                    request_id = frame_id(key, outcome.sequence)
                    model = outcome.model or name
                    self.journal.failed(model, "stream", outcome.code, outcome.status, request_id)
                case DroppedFrame():
                    self.metrics.frame_dropped(name, hello.policy)

        rules = Rules(
            policy=hello.policy,
            credits=self.settings.stream_credits,
            in_flight=self.repository.get(name, version).instances,
            patience_s=options.timeout_s,
            vote=hello.vote_rule,
            smoothing=hello.smoothing,
        )

        def trace(outcome: Outcome, frame: Frame | None) -> None:
            if frames is None or isinstance(outcome, DroppedFrame):
                observe(outcome, frame)
                return
            with frames.of(outcome.sequence, outcome.age_ms, frame_id(key, outcome.sequence)):
                observe(outcome, frame)

        caller = caller_of(scope)
        who = caller.name if caller.credential else client_of(websocket) or caller.name
        about = About(name, version, who, time.time(), labels)
        audience = Audience(partial(held_in, self.memory))
        views = StreamViews(self.views, options, key, commit)
        return Session(
            *(key, wishes, inspect, explain, rules, trace, about, audience),
            *(views.inspect, commit_frame if self.journal.commits else None),
        )


async def _hello(websocket: WebSocket) -> Hello:
    """The client's first message.

    Raises:
        RequestError: another message came, or none in time.
        WebSocketDisconnect: the client disconnected.
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


def _log_begin(
    websocket: WebSocket, session: Session, model: ModelVersion, *, resumed: bool
) -> None:
    facts: dict[str, object] = {
        "session": session.id,
        "model": model.name,
        "version": model.version,
        "policy": session.rules.policy,
        "client": client_of(websocket),
    }
    log_event(logger, "stream_resumed" if resumed else "stream_began", facts)


def _log_end(session: Session) -> None:
    statistics = session.statistics
    facts: dict[str, object] = {
        "session": session.id,
        "may_resume": not session.finished,
        "seconds": round(statistics.seconds, 3),
        "frames": statistics.frames,
        "answered": statistics.answered,
        "anomalous": statistics.anomalous,
        "undecided": statistics.undecided,
        "dropped": statistics.dropped,
        "errors": statistics.errors,
    }
    log_event(logger, "stream_left", facts)
