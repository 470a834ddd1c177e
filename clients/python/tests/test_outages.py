"""Streams whose server goes away, stays away or is left."""

from __future__ import annotations

import asyncio
import functools
import json
import threading

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.server import ServerConnection

from fake_server import unpack
from stream_scripts import answer_until_bye, greet
from takt_client import RetryPolicy
from takt_client.blocking import TaktStream
from takt_client.errors import (
    NotReadyError,
    RequestError,
    UnreachableError,
)
from takt_client.retry import Attempts, RetryClock
from takt_client.session import FrameViewChoices, StreamSession
from takt_client.stream import HANDSHAKE_S, AsyncTaktStream


def test_a_lost_connection_loses_no_frame_and_repeats_none(stream, scripted, wire, time) -> None:
    def breaks_off(connection: ServerConnection) -> None:
        assert "session" not in greet(wire, connection, credits=3)
        for _ in range(3):
            connection.recv()
        connection.send(wire.answer(0))
        connection.close(1011, "unforeseen")

    def goes_on(connection: ServerConnection) -> None:
        hello = greet(wire, connection, credits=3, next_sequence=1, resumed=True)
        assert hello["session"] == "s1"
        assert hello["last_sequence"] == 0
        assert answer_until_bye(wire, connection) == [1, 2, 3, 4]

    seen = []
    with scripted(breaks_off, goes_on) as url:
        stream(url, [b""] * 5, seen)
    assert [item.sequence for item in seen] == [0, 1, 2, 3, 4]
    assert time.waits_s == [0.1]


def test_a_frame_that_makes_the_server_hang_up_is_not_sent_for_ever(stream, scripted, wire) -> None:
    def hangs_up(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1011, "unforeseen")

    with scripted(*[hangs_up] * 4) as url, pytest.raises(UnreachableError, match="unforeseen"):
        stream(url, [b""], [])


def test_each_outage_has_the_whole_deadline(stream, scripted, wire, time) -> None:
    """However long the stream was open before, and however often an idle one is lost."""

    def is_lost_at_once(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.close(1001)

    def is_lost_much_later(connection: ServerConnection) -> None:
        greet(wire, connection)
        time.now_s += 10_000
        connection.close(1001)

    def answers(connection: ServerConnection) -> None:
        greet(wire, connection)
        answer_until_bye(wire, connection)

    seen = []
    lost = threading.Event()

    class Camera:
        def __iter__(self):
            assert lost.wait(60)
            yield b""

        async def __aiter__(self):
            assert await asyncio.to_thread(lost.wait, 10)
            yield b""

    def answers_once_idle_ones_are_lost(connection: ServerConnection) -> None:
        lost.set()
        answers(connection)

    scripts = [is_lost_at_once] * 5 + [is_lost_much_later, answers_once_idle_ones_are_lost]
    with scripted(*scripts) as url:
        stream(url, Camera(), seen)
    assert [item.sequence for item in seen] == [0]


def test_a_model_that_is_loading_is_waited_for(stream, scripted, wire, time) -> None:
    def not_yet(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("not_ready", 503))
        connection.close(1013)

    def now(connection: ServerConnection) -> None:
        greet(wire, connection)
        answer_until_bye(wire, connection)

    seen = []
    with scripted(not_yet, not_yet, now) as url:
        stream(url, [b""], seen)
    assert [item.sequence for item in seen] == [0]
    assert time.waits_s == [0.1, 0.2]


def test_a_model_that_stays_away_is_given_up(stream, scripted, wire, time) -> None:
    def not_yet(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("not_ready", 503))
        connection.close(1013)

    retry = RetryPolicy(deadline_s=0.25)
    with scripted(not_yet, not_yet) as url, pytest.raises(NotReadyError):
        stream(url, [b""], [], retry=retry)


def test_a_server_that_is_not_there_is_tried_until_the_deadline(stream, scripted, time) -> None:
    with scripted() as url:
        pass
    with pytest.raises(UnreachableError, match="is the server running there"):
        stream(url, [b""], [], retry=RetryPolicy(deadline_s=2))
    assert 1 < time.now_s < 2


def test_a_stream_that_was_left_is_not_opened_again(left_while_sending, scripted, wire) -> None:
    under_way, left = threading.Event(), threading.Event()

    def takes_all_it_grants(connection: ServerConnection) -> None:
        greet(wire, connection, credits=2)
        connection.recv()
        connection.recv()
        under_way.set()
        with pytest.raises(ConnectionClosedOK):
            connection.recv(timeout=60)

    with scripted(takes_all_it_grants) as url:
        error = left_while_sending(url, under_way, left)
    assert type(error) is RequestError
    assert "left" in str(error)


def test_a_connection_that_is_opened_while_the_stream_is_left_is_closed(
    left_while_sending, scripted, wire
) -> None:
    greeted, left = threading.Event(), threading.Event()

    def is_lost(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1011)

    def welcomes_late(connection: ServerConnection) -> None:
        connection.recv()
        greeted.set()
        assert left.wait(60)
        connection.send(wire.welcome(next_sequence=100))
        with pytest.raises(ConnectionClosedOK):
            connection.recv(timeout=60)

    with scripted(is_lost, welcomes_late) as url:
        error = left_while_sending(url, greeted, left)
    assert type(error) is RequestError


def test_leaving_a_stream_ends_the_wait_for_a_server_that_is_away(
    left_while_sending, scripted, wire
) -> None:
    lost, left = threading.Event(), threading.Event()

    def is_lost(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1011)
        lost.set()

    retry = RetryPolicy(deadline_s=3600, first_delay_s=1000, max_delay_s=1000)
    with scripted(is_lost) as url:
        error = left_while_sending(
            url, lost, left, retry=retry, clock=RetryClock(chance=lambda: 1.0)
        )
    assert type(error) is RequestError


class _SlowConnection:
    """A connection whose server has stopped to read: what is sent is on its way, and waits."""

    def __init__(self, welcome: str) -> None:
        self.sent: list[str | bytes] = []
        self._welcome = welcome
        self._reads = asyncio.Event()
        self.waits = asyncio.Event()

    async def send(self, message: str | bytes) -> None:
        self.sent.append(message)
        if len(self.sent) > 1:
            self.waits.set()
            await self._reads.wait()

    async def recv(self) -> str:
        return self._welcome

    async def close(self) -> None:
        """Nobody is there."""

    def read(self) -> None:
        self._reads.set()


def test_whoever_gives_up_sending_a_view_leaves_the_next_frame_none_of_it(wire, time) -> None:
    async def kinds() -> list[str]:
        connection = _SlowConnection(wire.welcome(credits=3))

        async def opened(within_s: float) -> _SlowConnection:
            return connection

        def attempts() -> Attempts:
            return Attempts(RetryPolicy(), time.clock)

        stream = AsyncTaktStream("ws://takt", StreamSession({}), opened, attempts)
        async with stream as frames:
            view: FrameViewChoices = {"part": "A-17", "view": "top", "recipe": "bracket"}
            sending = asyncio.create_task(frames.send(b"top", view=view))
            await connection.waits.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            connection.read()
            await frames.send(b"another part")
        return [
            unpack(one).picture if isinstance(one, bytes) else json.loads(one)["type"]
            for one in connection.sent
        ]

    assert asyncio.run(kinds()) == ["hello", "view", b"top", b"another part", "bye"]


class _LateLoop(asyncio.SelectorEventLoop):
    """A loop whose clock a test puts forward."""

    late_s = 0.0

    def time(self) -> float:
        return super().time() + self.late_s


def test_frames_that_are_sent_again_may_take_longer_than_the_handshake(wire) -> None:
    """A slow way with large frames: the server is there, which the handshake has shown."""
    loop = _LateLoop()

    class SlowConnection:
        def __init__(self, arrives: list[str | Exception]) -> None:
            self.arrives = arrives
            self.sent: list[str | bytes] = []

        async def recv(self) -> str:
            arrived = self.arrives.pop(0)
            if isinstance(arrived, Exception):
                raise arrived
            return arrived

        async def send(self, message: str | bytes) -> None:
            if self is not first and isinstance(message, bytes):
                loop.late_s += 0.6 * HANDSHAKE_S
                for _ in range(3):  # turns of the loop, for whoever has waited long enough
                    await asyncio.sleep(0)
            self.sent.append(message)

        async def close(self) -> None:
            pass

    lost = ConnectionClosedError(None, None)
    first = SlowConnection([wire.welcome(credits=4), lost])
    second = SlowConnection([wire.welcome(credits=4), wire.answer(0)])
    left = [first, second]

    async def open_connection(within_s: float) -> SlowConnection:
        return left.pop(0)

    async def run() -> int:
        attempts = functools.partial(Attempts, RetryPolicy(first_delay_s=0.0), RetryClock())
        stream = AsyncTaktStream("ws://takt", StreamSession({}), open_connection, attempts)  # type: ignore[arg-type]
        await stream._open(None)
        for _ in range(3):
            await stream.send(b"a large frame")
        return (await anext(stream)).sequence

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(run()) == 0
    assert len(second.sent) == 4, "the hello, and every frame again"


def test_one_silent_attempt_does_not_use_up_the_deadline(kind, time) -> None:
    allowed_s: list[float] = []

    async def silent(within_s: float) -> None:
        allowed_s.append(within_s)
        time.now_s += within_s
        raise TimeoutError

    def attempts() -> Attempts:
        return Attempts(RetryPolicy(deadline_s=25), time.clock)

    stream = AsyncTaktStream("ws://takt", StreamSession({}), silent, attempts, time.sleep_async)

    async def open_async() -> None:
        async with stream:
            raise AssertionError("nobody is there")

    with pytest.raises(UnreachableError):
        if kind == "async":
            asyncio.run(open_async())
        with TaktStream(stream):
            raise AssertionError("nobody is there")
    assert allowed_s == [HANDSHAKE_S, HANDSHAKE_S, pytest.approx(4.7)]


def test_a_listener_hears_of_each_wait_for_a_stream_and_of_its_end(
    stream, scripted, wire, heard
) -> None:
    def not_yet(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("not_ready", 503))
        connection.close(1013)

    def breaks_off(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1001)

    def answers(connection: ServerConnection) -> None:
        greet(wire, connection)
        answer_until_bye(wire, connection)

    with scripted(not_yet, breaks_off, answers) as url:
        stream(url, [b""], [], options={"listener": heard})
    assert heard.events == [("not_ready", 0.1), "succeeded", ("unreachable", 0.1), "succeeded"]


def test_a_listener_hears_nothing_of_a_stream_that_is_open_at_once(
    stream, scripted, wire, heard
) -> None:
    def answers(connection: ServerConnection) -> None:
        greet(wire, connection)
        answer_until_bye(wire, connection)

    with scripted(answers) as url:
        stream(url, [b""], [], options={"listener": heard})
    assert heard.events == []
