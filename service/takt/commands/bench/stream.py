"""Sends frames over WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from takt.commands.bench.clock import LoadClock
from takt.commands.bench.figures import StreamCounts
from takt.commands.bench.refusals import is_final, of_picture
from takt.commands.bench.samples import (
    CONNECTION_FAILED,
    DROPPED,
    OK,
    OutcomeKind,
    RequestOutcome,
)
from takt_client import RawPicture
from takt_client.connection import Server
from takt_client.errors import TaktError, UnreadableAnswerError
from takt_client.failures import error_of, refused_opening
from takt_client.pictures import pack_frame
from takt_client.stream import HANDSHAKE_S


@dataclass(frozen=True, slots=True)
class BenchStreamOptions:
    """Options of the streams.

    Attributes:
        server: server, with what it is shown.
        path: path of the route.
        hello: first message on each stream.
        pictures: pictures of the frames by name, sent in turn.
        connections: number of streams.
        window: most frames of a stream under way; None for as many as the server grants.
        verdicts: whether answers are counted by their verdict.
    """

    server: Server
    path: str
    hello: Mapping[str, object]
    pictures: Mapping[str, bytes | RawPicture]
    connections: int
    window: int | None
    verdicts: bool


@dataclass(slots=True)
class _Sent:
    """A frame that is under way."""

    settled: asyncio.Future[RequestOutcome | TaktError]
    sent_bytes: int
    name: str


class _Lane:
    """One stream."""

    def __init__(self, connection: ClientConnection, credits: int, clock: LoadClock) -> None:
        self.order_violations = 0
        self.lost_frames = 0
        self.lost = False
        self.credits = credits
        self._free = asyncio.Semaphore(credits)
        self._connection = connection
        self._clock = clock
        self._next_sequence = 0
        self._last_answered = -1
        self._under_way: dict[int, _Sent] = {}

    @property
    def unanswered(self) -> int:
        """Number of frames without an answer."""
        return len(self._under_way)

    async def ask(self, name: str, picture: bytes | RawPicture) -> RequestOutcome:
        """Sends a frame once there is a credit, and waits for its outcome."""
        # Released with the frame's answer, not with this call, which may be cancelled before.
        await self._free.acquire()
        if self.lost:
            self._free.release()
            return RequestOutcome(self._clock.now_s(), 0, CONNECTION_FAILED)
        sequence = self._next_sequence
        self._next_sequence += 1
        message = pack_frame(sequence, 0, picture)
        sent = _Sent(asyncio.get_running_loop().create_future(), len(message), name)
        self._under_way[sequence] = sent
        # What a closed connection leaves unanswered is settled by `read`.
        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(message)
        outcome = await sent.settled
        if isinstance(outcome, TaktError):
            raise outcome
        return outcome

    async def read(self, *, verdicts: bool) -> None:
        """Reads until the connection is closed or a message cannot be understood."""
        end = OutcomeKind(0, CONNECTION_FAILED)
        headed: dict[str, object] | None = None
        try:
            async for message in self._connection:
                if headed is not None:
                    self._answered(headed, verdicts, len(message))
                    headed = None
                    continue
                body = orjson.loads(message)
                kind = body["type"]
                if kind == "answer" and body["heatmap"] is not None:
                    headed = body
                elif kind == "answer":
                    self._answered(body, verdicts, len(message))
                elif kind == "dropped":
                    self._settle(body["sequence"], RequestOutcome(self._clock.now_s(), 0, DROPPED))
                elif kind == "error" and body.get("sequence") is not None:
                    self._in_order(body["sequence"])
                    self._refused(body["sequence"], body)
                elif kind == "error":  # of the stream itself, which the server closes now
                    end = OutcomeKind(int(body["status"]), str(body["code"]))
                    if is_final(end.status):
                        for sequence in list(self._under_way):
                            self._refused(sequence, body)
        except ConnectionClosed:
            pass
        except Exception:
            end = OutcomeKind(0, UnreadableAnswerError.code)
        finally:
            self.lost = True
            self.lost_frames = len(self._under_way)
            now_s = self._clock.now_s()
            for sequence in list(self._under_way):
                self._settle(sequence, RequestOutcome(now_s, end.status, end.code))

    def _answered(self, body: dict[str, object], verdicts: bool, received_bytes: int) -> None:
        sequence, age_ms = body["sequence"], body["age_ms"]
        assert isinstance(sequence, int) and isinstance(age_ms, (int, float))
        self._in_order(sequence)
        self._settle(
            sequence,
            RequestOutcome(
                ended_s=self._clock.now_s(),
                status=OK,
                code="ok",
                received_bytes=received_bytes,
                age_ms=age_ms,
                anomalous=verdicts and body["anomalous"] is True,
            ),
        )

    def _refused(self, sequence: int, body: dict[str, object]) -> None:
        status, code = int(str(body["status"])), str(body["code"])
        if is_final(status):
            error = error_of(status, code, str(body["title"]), str(body["detail"]))
            self._settle(sequence, error, status)
        else:
            self._settle(sequence, RequestOutcome(self._clock.now_s(), status, code))

    def _in_order(self, sequence: int) -> None:
        """Checks the order of answers and refusals; drops may come out of order."""
        if sequence <= self._last_answered:
            self.order_violations += 1
        self._last_answered = max(sequence, self._last_answered)

    def _settle(self, sequence: int, outcome: RequestOutcome | TaktError, status: int = 0) -> None:
        sent = self._under_way.pop(sequence, None)
        if sent is None:
            return
        self._free.release()
        if sent.settled.done():
            return
        if isinstance(outcome, TaktError):
            sent.settled.set_result(of_picture(outcome, status, sent.name))
        else:
            sent.settled.set_result(replace(outcome, sent_bytes=sent.sent_bytes))


class StreamTransport:
    """Sends frames over several streams; made by `open_streams`."""

    def __init__(self, lanes: Sequence[_Lane], pictures: Mapping[str, bytes | RawPicture]) -> None:
        self._lanes = lanes
        self._pictures = itertools.cycle(pictures.items())

    @property
    def credits(self) -> int:
        """Frames that may be under way on all streams together."""
        return sum(lane.credits for lane in self._lanes)

    def counts(self, *, interrupted: bool = False) -> StreamCounts:
        """Counts over all streams; frames without an answer are lost unless it was interrupted."""
        lost_frames = sum(lane.lost_frames for lane in self._lanes)
        if not interrupted:
            lost_frames += sum(lane.unanswered for lane in self._lanes)
        return StreamCounts(
            order_violations=sum(lane.order_violations for lane in self._lanes),
            lost_frames=lost_frames,
            lost_connections=sum(lane.lost for lane in self._lanes),
        )

    async def ask(self, lane: int) -> RequestOutcome:
        """Sends the next frame on the lane's stream.

        Raises:
            takt_client.TaktError: the server refuses what it would refuse again.
        """
        name, picture = next(self._pictures)
        return await self._lanes[lane % len(self._lanes)].ask(name, picture)


@contextlib.asynccontextmanager
async def open_streams(
    plan: BenchStreamOptions, clock: LoadClock
) -> AsyncIterator[StreamTransport]:
    """Streams that are connected and welcomed.

    Raises:
        takt_client.TaktError: there is no server, it refuses the stream, or sends no welcome.
    """
    url = plan.server.stream_url(plan.path)
    hello = orjson.dumps({"type": "hello", **plan.hello}).decode()
    async with contextlib.AsyncExitStack() as stack:
        lanes = []
        readers = []
        for _ in range(plan.connections):
            try:
                connection = await stack.enter_async_context(
                    await plan.server.open_websocket(plan.path, {}, HANDSHAKE_S, proxied=False)
                )
                await connection.send(hello)
                credits = _credits_of(await connection.recv())
            except (OSError, WebSocketException) as error:
                raise refused_opening(url, error).error from error
            window = credits if plan.window is None else min(credits, plan.window)
            lanes.append(_Lane(connection, window, clock))
        for lane in lanes:
            reader = asyncio.create_task(lane.read(verdicts=plan.verdicts))
            readers.append(reader)
        try:
            yield StreamTransport(lanes, plan.pictures)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)


def _credits_of(welcome: str | bytes) -> int:
    try:
        body = orjson.loads(welcome)
        if body["type"] == "error":
            raise error_of(body["status"], body["code"], body["title"], body["detail"])
        return int(body["credits"])
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise UnreadableAnswerError(f"the server did not welcome us: {welcome[:300]!r}") from error
