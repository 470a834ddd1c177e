from __future__ import annotations

import pytest
from websockets.sync.server import ServerConnection

from fake_server import unpack
from stream_scripts import answer_until_bye, greet
from takt_client import FrameRefused
from takt_client.errors import (
    ImageTooLargeError,
    InvalidParameterError,
    ModelNotFoundError,
    RequestError,
)


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
        stream(url, [rgb], seen, color="rgb")
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
