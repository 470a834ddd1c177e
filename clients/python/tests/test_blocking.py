"""The parts of the blocking face that the async source has no counterpart of."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.server import ServerConnection

from fake_server import unpack
from takt_client import TaktClient
from takt_client.errors import RequestError


@pytest.fixture
def usual_ctrl_c() -> Iterator[None]:
    """Ctrl-C as at a terminal: a shell has what runs in its background ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "takt-stream-loop"]


@pytest.mark.usefixtures("usual_ctrl_c")
def test_an_interrupt_ends_the_wait_for_an_answer_and_the_stream(scripted, wire) -> None:
    under_way = threading.Event()

    def silent(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        connection.recv()
        under_way.set()
        connection.recv(timeout=60)

    def interrupt() -> None:
        assert under_way.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    pressing = threading.Thread(target=interrupt)
    pressing.start()
    with (
        scripted(silent) as url,
        TaktClient(url) as client,
        pytest.raises(KeyboardInterrupt),
        client.stream("parts") as stream,
    ):
        stream.send(b"a jpeg")
        next(stream)
    pressing.join()


def test_the_thread_of_a_stream_ends_with_it(scripted, wire, tmp_path: Path) -> None:
    picture = tmp_path / "part.jpg"
    picture.write_bytes(b"a jpeg")

    def answers(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        assert unpack(connection.recv()).picture == b"a jpeg"
        connection.send(wire.answer(0))
        connection.recv()

    with scripted(answers) as url, TaktClient(url) as client:
        with client.stream("parts") as stream:
            stream.send(picture)
            assert next(stream).sequence == 0
            assert len(loops()) == 1
        with pytest.raises(RequestError, match="left"):
            stream.send(picture)
    for thread in loops():
        thread.join(10)
    assert not loops()


def test_a_stream_that_cannot_be_opened_leaves_no_thread(scripted, wire) -> None:
    def refuses(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("bad_request", 400))

    with (
        scripted(refuses) as url,
        TaktClient(url) as client,
        pytest.raises(RequestError),
        client.stream("parts"),
    ):
        raise AssertionError("it is refused")
    deadline = time.monotonic() + 10
    while loops() and time.monotonic() < deadline:
        loops()[0].join(0.1)
    assert not loops()


def test_threads_share_a_client(wire) -> None:
    body = wire.inspection(request_id="r")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    scores: list[float] = []
    with TaktClient("http://takt", transport=transport) as client:

        def ask() -> None:
            scores.extend(client.inspect("parts", b"a jpeg").score for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert scores == [0.75] * 80
