import asyncio
import json
import threading

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.server import ServerConnection

from fake_server import unpack
from takt_client import FrameRefused, RetryPolicy
from takt_client.blocking import TaktStream
from takt_client.errors import (
    ImageTooLargeError,
    InvalidParameterError,
    ModelNotFoundError,
    NotReadyError,
    RequestError,
    UnreachableError,
)
from takt_client.retry import Attempts, RetryClock
from takt_client.session import StreamSession
from takt_client.stream import HANDSHAKE_S, AsyncTaktStream


def greet(wire, connection: ServerConnection, **given: object) -> dict:
    hello = json.loads(connection.recv())
    connection.send(wire.welcome(**given))
    return hello


def answer_until_bye(wire, connection: ServerConnection) -> list[int]:
    """Answers each frame at once; the numbers of the frames."""
    numbers = []
    while isinstance(message := connection.recv(), bytes):
        numbers.append(unpack(message).sequence)
        connection.send(wire.answer(numbers[-1]))
    assert json.loads(message) == {"type": "bye"}
    connection.send(wire.goodbye(len(numbers)))
    connection.close()
    return numbers


def test_frames_are_answered_in_their_order(stream, scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        assert connection.request.path == "/v1/models/parts/stream"
        assert greet(wire, connection) == {"type": "hello", "heatmap": "map", "smoothing": 0.5}
        answer_until_bye(wire, connection)

    seen = []
    with scripted(script) as url:
        stats = stream(url, [b"a", b"b", b"c", b"d", b"e"], seen, heatmap="map", smoothing=0.5)
    assert [item.sequence for item in seen] == [0, 1, 2, 3, 4]
    assert stats.frames == 5


def test_no_more_frames_are_under_way_than_there_are_credits(stream, scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        greet(wire, connection, credits=2)
        first, second = (unpack(connection.recv()).sequence for _ in range(2))
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0)
        connection.send(wire.answer(first))
        connection.send(wire.answer(second))
        assert answer_until_bye(wire, connection) == [2, 3]

    seen = []
    with scripted(script) as url:
        stream(url, [b""] * 4, seen)
    assert [item.sequence for item in seen] == [0, 1, 2, 3]


def test_an_array_travels_as_raw_pixels(stream, scripted, wire, rgb) -> None:
    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        frame = unpack(connection.recv())
        assert (frame.width, frame.height, frame.code) == (5, 3, 1)
        assert frame.picture == rgb.tobytes()
        connection.send(wire.answer(0))
        answer_until_bye(wire, connection)

    seen = []
    with scripted(script) as url:
        stream(url, [rgb], seen)
    assert len(seen) == 1


def test_a_heatmap_comes_with_its_answer(stream, scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        announced = {"kind": "overlay", "format": "jpeg", "bytes": 4}
        connection.send(wire.answer(0, heatmap=announced))
        connection.send(b"jpeg")
        answer_until_bye(wire, connection)

    seen = []
    with scripted(script) as url:
        stream(url, [b""], seen)
    assert seen[0].inspected.heatmap.data == b"jpeg"


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
            assert lost.wait(10)
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


def test_a_frame_too_large_for_the_server_is_named(stream, scripted, wire, time) -> None:
    def refuses(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1009, "too big")

    with scripted(refuses) as url, pytest.raises(ImageTooLargeError):
        stream(url, [b""], [])
    assert time.waits_s == []


def test_a_model_that_does_not_exist_is_said_at_once(stream, scripted, wire, time) -> None:
    def refuses(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("model_not_found", 404))
        connection.close(1008)

    with scripted(refuses) as url, pytest.raises(ModelNotFoundError):
        stream(url, [b""], [])
    assert time.waits_s == []


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


def test_what_the_server_says_of_a_bad_session_reaches_the_caller(stream, scripted, wire) -> None:
    def ends(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.send(wire.refusal("invalid_parameter", 422))
        connection.close(1008)

    with scripted(ends) as url, pytest.raises(InvalidParameterError, match="the detail"):
        stream(url, [b""] * 9, [])


def test_a_session_that_another_connection_took_over_is_left_to_it(stream, scripted, wire) -> None:
    def taken_over(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1008, "taken over")

    with scripted(taken_over) as url, pytest.raises(RequestError, match="taken over"):
        stream(url, [b""], [])


def test_a_refused_frame_does_not_end_the_stream(stream, scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.send(wire.refusal("invalid_image", 400, sequence=0))
        answer_until_bye(wire, connection)

    seen = []
    with scripted(script) as url:
        stream(url, [b"", b""], seen)
    assert isinstance(seen[0], FrameRefused)
    assert seen[1].sequence == 1


def test_a_camera_that_fails_fails_the_stream_after_what_it_gave(stream, scripted, wire) -> None:
    def camera():
        yield b"one"
        yield b"two"
        raise OSError("the cable is out")

    seen = []

    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        answer_until_bye(wire, connection)

    with scripted(script) as url, pytest.raises(OSError, match="cable"):
        stream(url, camera(), seen)
    assert [item.sequence for item in seen] == [0, 1]


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
            connection.recv(timeout=10)

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
        assert left.wait(10)
        connection.send(wire.welcome(next_sequence=100))
        with pytest.raises(ConnectionClosedOK):
            connection.recv(timeout=10)

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
