"""What is easily given by mistake is told by the client, and nothing of it is sent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.sync.server import ServerConnection

import wrong_calls
from stream_scripts import answer_until_bye, greet
from takt_client import AsyncTaktClient, TaktClient
from takt_client.errors import InvalidImageError, InvalidParameterError, PictureFileError

ROOT = Path(__file__).parents[3]


def nothing_is_sent(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} was asked")


NOWHERE = httpx.MockTransport(nothing_is_sent)


def test_a_blocking_client_refuses_each_wrong_call() -> None:
    with TaktClient("http://takt", transport=NOWHERE) as client:
        for call in wrong_calls.of_a_client(client):
            with pytest.raises(InvalidParameterError):
                call()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("parts", 1), "the version is 1, which is no name; give '1'"),
        (("", "1"), "the model is '', which is no name; give its name"),
        ((None, "1"), "the model is None, which is no name; give its name"),
    ],
)
def test_what_is_no_name_is_told_as_it_was_given(names, said: str) -> None:
    model, version = names
    with (
        TaktClient("http://takt", transport=NOWHERE) as client,
        pytest.raises(InvalidParameterError, match=said),
    ):
        client.inspect(model, b"jpeg", version=version)


def test_an_async_client_refuses_each_wrong_call() -> None:
    async def run() -> None:
        async with AsyncTaktClient("http://takt", transport=NOWHERE) as client:
            for call in wrong_calls.of_an_async_client(client):
                with pytest.raises(InvalidParameterError):
                    await call()

    asyncio.run(run())


@pytest.fixture
def url(scripted, wire):
    """A server whose streams get no frame."""

    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        assert answer_until_bye(wire, connection) == []

    many = len(list(wrong_calls.series(None)))  # type: ignore[arg-type]
    with scripted(*[script] * (1 + many)) as url:
        yield url


def test_a_blocking_stream_refuses_each_wrong_frame_and_series(url) -> None:
    with TaktClient(url) as client:
        with client.stream("parts") as stream:
            for call in wrong_calls.of_a_stream(stream):
                with pytest.raises(InvalidParameterError):
                    call()
        for number in range(len(list(wrong_calls.series(stream)))):
            with client.stream("parts") as stream, pytest.raises(InvalidParameterError):
                list(list(wrong_calls.series(stream))[number]())


def test_an_async_stream_refuses_each_wrong_frame_and_series(url) -> None:
    async def run() -> None:
        async with AsyncTaktClient(url) as client:
            async with client.stream("parts") as stream:
                for call in wrong_calls.of_an_async_stream(stream):
                    with pytest.raises(InvalidParameterError):
                        await call()
            for number in range(len(list(wrong_calls.async_series(stream)))):
                async with client.stream("parts") as stream:
                    with pytest.raises(InvalidParameterError):
                        async for _ in list(wrong_calls.async_series(stream))[number]():
                            pass

    asyncio.run(run())


@pytest.mark.slow
def test_mypy_refuses_each_wrong_call() -> None:
    """It takes ten seconds and more, and `make check` does the same: no `ignore` is for nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "clients/python/tests/wrong_calls.py"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_text_is_the_path_of_a_picture(call, ok_server, tmp_path: Path) -> None:
    path = tmp_path / "part.jpg"
    path.write_bytes(b"jpeg")
    call(ok_server, "inspect", "parts", str(path))
    call(ok_server, "inspect", "parts", path)
    assert [request.content for request in ok_server.requests] == [b"jpeg", b"jpeg"]


@pytest.mark.parametrize("kind_of_path", [str, Path])
def test_a_missing_file_is_told_by_its_name(call, tmp_path: Path, kind_of_path) -> None:
    path = kind_of_path(tmp_path / "missing.jpg")
    with pytest.raises(PictureFileError, match=r"missing\.jpg' cannot be read: No such file"):
        call(nothing_is_sent, "inspect", "parts", path)


@pytest.mark.parametrize("text", ["", "a" * 100_000, "nul\0"])
def test_a_text_that_is_no_path_is_told_in_a_short_line(call, text) -> None:
    with pytest.raises(PictureFileError, match="cannot be read") as caught:
        call(nothing_is_sent, "inspect", "parts", text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("made", ["rows of an array", "letters of a path"])
def test_one_picture_is_not_taken_for_a_series(stream, scripted, wire, rgb, made) -> None:
    def script(connection: ServerConnection) -> None:
        greet(wire, connection)
        assert answer_until_bye(wire, connection) == []

    pictures = rgb if made == "rows of an array" else "part.jpg"
    with scripted(script) as url, pytest.raises(InvalidParameterError, match="no series"):
        stream(url, pictures, [])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4), bool),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_of_another_shape_or_type_is_told_what_to_send(call, array) -> None:
    with pytest.raises(InvalidImageError, match=r'send uint8 .* color="bgr"'):
        call(nothing_is_sent, "inspect", "parts", array, color="bgr")


def test_a_color_that_does_not_fit_the_array_is_refused(call, rgb) -> None:
    for array, color in ((rgb, "gray"), (rgb[:, :, 0], "bgr"), (rgb[:, :, 0], "rgb")):
        with pytest.raises(InvalidImageError, match=f'with color="{color}"'):
            call(nothing_is_sent, "inspect", "parts", array, color=color)


def test_an_array_without_its_color_is_told_which_there_are(call, rgb) -> None:
    with pytest.raises(InvalidParameterError, match='"bgr" for what OpenCV reads'):
        call(nothing_is_sent, "inspect", "parts", rgb)
