"""The stream as a client meets it, over the ASGI app in process."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from takt_client.pictures import RawPicture, pack_frame

PATH = "/v1/models/parts/stream"

Message = dict[str, Any]


class Closed(Exception):
    """The server closed; its code is the argument."""


class Socket:
    """A WebSocket to an ASGI app."""

    def __init__(self, app: Any, path: str, headers: dict[str, str]) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._lost = False
        self.read = 0
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        message = await self._to_app.get()
        self.read += 1
        return message

    async def _send(self, message: Message) -> None:
        if self._lost:
            raise OSError("the connection is lost")
        self._from_app.put_nowait(message)

    def frame(self, sequence: int, picture: bytes | RawPicture, captured_us: int = 0) -> None:
        self.binary(pack_frame(sequence, captured_us, picture))

    def binary(self, data: bytes) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "bytes": data})

    def text(self, text: str) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    def say(self, kind: str, **fields: Any) -> None:
        self.text(json.dumps({"type": kind, **fields}))

    async def hello(self, **fields: Any) -> Message:
        self.say("hello", **fields)
        return await self.hear()

    async def raw(self) -> Message:
        return await self._from_app.get()

    async def hear(self) -> Message:
        """The next text message."""
        message = await self.raw()
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        return json.loads(message["text"])

    async def until_closed(self) -> tuple[list[Message], int]:
        heard: list[Message] = []
        try:
            while True:
                heard.append(await self.hear())
        except Closed as closed:
            await self.task
            return heard, closed.args[0]

    def close(self, code: int = 1000) -> None:
        """Go; what the server still sends is lost."""
        self._lost = True
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": code})


@asynccontextmanager
async def connect(
    client: httpx.AsyncClient, path: str = PATH, **headers: str
) -> AsyncIterator[Socket]:
    app = client._transport.app  # type: ignore[attr-defined]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    socket = Socket(app, path, {"host": "takt", **named})
    try:
        message = await socket.raw()
        assert message["type"] == "websocket.accept"
        yield socket
    finally:
        socket.close()
        await socket.task


def numbered(messages: list[Message]) -> list[tuple[str, int | None]]:
    return [(message["type"], message.get("sequence")) for message in messages]


async def hear(socket: Socket, count: int) -> list[Message]:
    return [await socket.hear() for _ in range(count)]


async def started(engines, batches: int) -> None:
    """Wait until the engine holds this many batches."""
    while len(engines[0].batch_sizes) < batches:
        await asyncio.sleep(0)


async def test_frames_are_answered_in_order_as_rest_would(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        welcome = await socket.hello()
        assert welcome == {
            "type": "welcome",
            "session": welcome["session"],
            "resumed": False,
            "model": "parts",
            "version": "1",
            "policy": "all",
            "credits": 8,
            "next_sequence": 0,
        }
        for sequence in range(6):
            level = 200 if sequence % 2 else 50
            socket.frame(sequence, picture_bytes(level), captured_us=1000 + sequence)
        answers = await hear(socket, 6)
        rest = (await client.post("/v1/models/parts/inspect", content=picture_bytes(200))).json()
        assert numbered(answers) == [("answer", sequence) for sequence in range(6)]
        assert [answer["captured_us"] for answer in answers] == list(range(1000, 1006))
        assert [answer["anomalous"] for answer in answers] == [False, True] * 3
        answer = answers[1]
        assert answer.keys() - rest.keys() == {
            *("type", "sequence", "captured_us", "age_ms", "dropped"),
            *("smoothed_score", "vote"),
        }
        for same in ("model", "version", "score", "regions", "image", "inspected", "heatmap"):
            assert answer[same] == rest[same]
        assert answer["smoothed_score"] is None
        assert answer["vote"] is None
        assert answer["dropped"] == 0
        assert answer["age_ms"] >= answer["timings_ms"]["total"]


@pytest.mark.parametrize("pixels", ["rgb8", "bgr8", "mono8"])
async def test_raw_pixels_are_inspected_without_encoding(serve, pixels) -> None:
    shape = (48, 64) if pixels == "mono8" else (48, 64, 3)
    raw = RawPicture(np.full(shape, 200, np.uint8).tobytes(), 64, 48, pixels)
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.frame(0, raw)
        answer = await socket.hear()
        assert answer["image"] == {"width": 64, "height": 48}
        assert answer["score"] == pytest.approx(200 / 255, abs=1e-3)


async def test_the_heatmap_follows_its_answer_as_bytes(serve, bad_part) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(heatmap="overlay", format="png")
        for sequence in range(2):
            socket.frame(sequence, bad_part)
        for sequence in range(2):
            answer = await socket.hear()
            data = (await socket.raw())["bytes"]
            assert answer["sequence"] == sequence
            assert answer["heatmap"] == {
                "kind": "overlay",
                "format": "png",
                "bytes": len(data),
            }
            overlay = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert overlay.shape == (48, 64, 3)


async def test_a_session_s_thresholds_vote_and_smoothing_count(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(threshold=0.1, vote={"k": 2, "n": 3}, smoothing=0.5)
        for sequence, level in enumerate((10, 200, 200)):
            socket.frame(sequence, picture_bytes(level))
        answers = await hear(socket, 3)
        assert [answer["threshold"] for answer in answers] == [0.1] * 3
        assert [answer["vote"] for answer in answers] == [
            {"anomalous": False, "count": 0, "of": 1},
            {"anomalous": False, "count": 1, "of": 2},
            {"anomalous": True, "count": 2, "of": 3},
        ]
        scores = [answer["score"] for answer in answers]
        assert answers[1]["smoothed_score"] == pytest.approx(sum(scores[:2]) / 2)


async def test_a_bad_picture_has_its_error_in_its_place(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        good = picture_bytes()
        socket.frame(0, good)
        socket.frame(1, good[:-20])
        socket.binary(pack_frame(2, 0, RawPicture(b"\0" * 3, 1, 1, "rgb8")) + b"one too many")
        socket.frame(3, b"")
        socket.frame(4, good)
        messages = await hear(socket, 5)
        assert numbered(messages) == [
            ("answer", 0),
            ("error", 1),
            ("error", 2),
            ("error", 3),
            ("answer", 4),
        ]
        error = messages[1]
        assert (error["status"], error["code"]) == (400, "invalid_image")
        assert "cut short" in error["detail"]
        assert "bytes of pixels" in messages[2]["detail"]


async def test_a_frame_for_which_there_is_no_memory_is_refused_in_its_place(
    serve, picture_bytes, engines
) -> None:
    good = picture_bytes(suffix=".bmp")
    large, too_large = good + bytes(120 * 1024), good + bytes(240 * 1024)
    async with serve(max_memory_mb=1) as client, connect(client) as socket:
        await socket.hello()
        engines[0].gate.clear()
        for number, picture in enumerate((large, large, too_large, good)):
            socket.frame(number, picture)
        while socket.read < 6:
            await asyncio.sleep(0)
        engines[0].gate.set()
        messages = await hear(socket, 4)
        assert numbered(messages) == [("answer", 0), ("error", 1), ("error", 2), ("answer", 3)]
        assert (messages[1]["status"], messages[1]["code"]) == (429, "memory_full")
        assert (messages[2]["status"], messages[2]["code"]) == (413, "image_too_large")
        assert "takt_memory_in_flight_bytes 0.0" in (await client.get("/metrics")).text


async def test_a_picture_over_the_limit_is_refused_alone(serve, picture_bytes) -> None:
    small = picture_bytes()
    async with (
        serve(max_image_bytes=len(small)) as client,
        connect(client) as socket,
    ):
        await socket.hello()
        socket.frame(0, small + b"\0")
        socket.frame(1, small)
        too_large, answer = await hear(socket, 2)
        assert (too_large["status"], too_large["code"]) == (413, "image_too_large")
        assert answer["type"] == "answer"


async def test_no_more_is_read_than_the_credits_allow(serve, engines, picture_bytes) -> None:
    async with serve(stream_credits=3, max_batch_size=1) as client, connect(client) as socket:
        await socket.hello()
        before = socket.read
        engines[0].gate.clear()
        for sequence in range(8):
            socket.frame(sequence, picture_bytes())
        await started(engines, 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert socket.read - before == 3
        engines[0].gate.set()
        assert numbered(await hear(socket, 8)) == [("answer", n) for n in range(8)]


async def test_while_the_engine_is_busy_the_newest_frame_waits_and_older_ones_are_dropped(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(policy="latest")
        engines[0].gate.clear()
        for sequence in range(20):
            socket.frame(sequence, picture_bytes())
        dropped = await hear(socket, 18)
        assert numbered(dropped) == [("dropped", sequence) for sequence in range(1, 19)]
        assert [message["dropped"] for message in dropped] == list(range(1, 19))
        engines[0].gate.set()
        answers = await hear(socket, 2)
        assert numbered(answers) == [("answer", 0), ("answer", 19)]
        assert answers[1]["dropped"] == 18
        metrics = (await client.get("/metrics")).text
        assert 'takt_stream_frames_dropped_total{model="parts",policy="latest"} 18.0' in metrics
        assert 'takt_stream_frame_age_seconds_count{model="parts"} 2.0' in metrics
        assert (
            'takt_requests_total{model="parts",outcome="ok",protocol="stream",verdict="good"}'
            " 2.0" in metrics
        )
        assert "takt_streams 1.0" in metrics


async def test_two_streams_of_one_model_share_batches(serve, engines, picture_bytes) -> None:
    async with (
        serve(max_batch_size=8) as client,
        connect(client) as one,
        connect(client, "/v1/models/parts/versions/1/stream") as two,
    ):
        await one.hello()
        await two.hello()
        engines[0].gate.clear()
        one.frame(0, picture_bytes())
        await started(engines, 1)
        for sequence in range(1, 4):
            one.frame(sequence, picture_bytes())
            two.frame(sequence, picture_bytes())
        depth = 'takt_queue_depth{model="parts",version="1"} 6.0'
        while depth not in (await client.get("/metrics")).text:
            await asyncio.sleep(0)
        engines[0].gate.set()
        await hear(one, 4)
        await hear(two, 3)
        assert engines[0].batch_sizes == [1, 6]


async def test_a_failing_engine_fails_its_frames_and_not_the_stream(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        engines[0].fail = True
        socket.frame(0, picture_bytes())
        failed = await socket.hear()
        assert (failed["type"], failed["sequence"]) == ("error", 0)
        assert (failed["status"], failed["code"]) == (500, "engine_failed")
        engines[0].fail = False
        socket.frame(1, picture_bytes())
        assert (await socket.hear())["type"] == "answer"


async def test_bye_comes_after_what_is_under_way_with_the_figures(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.say("stats")
        stats = await socket.hear()
        assert stats["type"] == "stats"
        assert stats["stats"]["frames"] == 0
        assert stats["stats"]["latency_ms"] == {"p50": None, "p95": None, "p99": None}
        engines[0].gate.clear()
        socket.frame(0, picture_bytes())
        socket.frame(1, picture_bytes(200))
        socket.frame(2, b"no picture")
        socket.say("bye")
        await started(engines, 1)
        engines[0].gate.set()
        heard, code = await socket.until_closed()
        assert code == 1000
        assert numbered(heard) == [("answer", 0), ("answer", 1), ("error", 2), ("bye", None)]
        figures = heard[-1]["stats"]
        assert {name: figures[name] for name in ("frames", "answered", "errors")} == {
            "frames": 3,
            "answered": 2,
            "errors": 1,
        }
        assert figures["anomalous"] == 1
        assert figures["age_ms"]["p50"] > 0


@pytest.mark.parametrize(
    ("say", "code", "complaint"),
    [
        ('{"type": "hello", "polcy": "all"}', "invalid_parameter", "polcy"),
        ('{"type": "hello", "policy": "some"}', "invalid_parameter", "policy"),
        ('{"type": "hello", "threshold": "0.5"}', "invalid_parameter", "threshold"),
        ('{"type": "hello", "timeout_ms": 0}', "invalid_parameter", "timeout_ms"),
        ('{"type": "hello", "vote": {"k": 3, "n": 2}}', "invalid_parameter", "k may be n at most"),
        ('{"type": "hello", "smoothing": 0}', "invalid_parameter", "smoothing"),
        ('{"type": "stats"}', "bad_request", "say hello first"),
        ("[1]", "bad_request", "JSON object with a `type`"),
        ("{", "bad_request", "JSON object with a `type`"),
        (f'{{"type": "{"x" * 70_000}"}}', "bad_request", "at most 65536 characters"),
        (b"TK", "bad_request", "the first message is a frame"),
    ],
)
async def test_a_bad_hello_is_told_and_the_server_closes(serve, say, code, complaint) -> None:
    async with serve() as client, connect(client) as socket:
        if isinstance(say, bytes):
            socket.binary(say)
        else:
            socket.text(say)
        (error,), closed = await socket.until_closed()
        assert closed == 1008
        assert error["type"] == "error"
        assert "sequence" not in error
        assert error["code"] == code
        assert complaint in error["detail"]


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (b"\xff\xd8 a JPEG without a header, long enough to hold one", "put a header, TK"),
        (pack_frame(0, 0, b"again"), "frame 0 came after frame 0"),
        ('{"type": "hello"}', "type 'hello' came"),
        ("frame", "JSON object"),
    ],
)
async def test_a_message_that_is_none_ends_the_stream_after_what_is_under_way(
    serve, picture_bytes, say, complaint
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.frame(0, picture_bytes())
        if isinstance(say, bytes):
            socket.binary(say)
        else:
            socket.text(say)
        (answer, error), closed = await socket.until_closed()
        assert closed == 1008
        assert (answer["type"], answer["sequence"]) == ("answer", 0)
        assert "sequence" not in error
        assert complaint in error["detail"]


async def test_a_stream_to_a_model_that_is_not_there_is_refused(serve) -> None:
    async with serve() as client:
        async with connect(client, "/v1/models/none/stream") as socket:
            socket.say("hello")
            (error,), closed = await socket.until_closed()
            assert closed == 1008
            assert (error["status"], error["code"]) == (404, "model_not_found")
        metrics = (await client.get("/metrics")).text
        assert 'outcome="model_not_found",protocol="stream"' in metrics
        assert 'model="none"' not in metrics


async def test_a_stream_to_a_model_that_is_not_ready_may_come_again(serve, engines) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("no engine today")

    async with serve(open_engine=refuse) as client, connect(client) as socket:
        socket.say("hello")
        (error,), closed = await socket.until_closed()
        assert closed == 1013
        assert (error["status"], error["code"]) == (503, "not_ready")


async def test_more_streams_than_may_be_open_are_told_to_come_again(serve) -> None:
    async with serve(stream_sessions=1) as client:
        async with connect(client) as first, connect(client) as second:
            await first.hello()
            second.say("hello")
            (error,), closed = await second.until_closed()
            assert closed == 1013
            assert "1 streams are open already" in error["detail"]
        async with connect(client) as third:
            assert (await third.hello())["type"] == "welcome"


async def test_the_log_tells_when_a_stream_begins_is_left_and_is_resumed(
    serve, picture_bytes, caplog
) -> None:
    with caplog.at_level(logging.INFO, "takt.stream"):
        async with serve() as client:
            async with connect(client) as socket:
                session = (await socket.hello())["session"]
                socket.frame(0, picture_bytes(200))
                await socket.hear()
                socket.close(1006)
                await socket.task
            async with connect(client) as socket:
                await socket.hello(session=session, last_sequence=0)
                socket.say("bye")
                await socket.until_closed()
    said = [r.takt_event for r in caplog.records if r.name == "takt.stream"]
    facts = [r.takt_facts for r in caplog.records if r.name == "takt.stream"]
    assert said == ["stream_began", "stream_left", "stream_resumed", "stream_left"]
    assert {fact["session"] for fact in facts} == {session[:8]}
    assert (facts[0]["model"], facts[0]["policy"]) == ("parts", "all")
    assert [facts[1][name] for name in ("frames", "anomalous", "may_resume")] == [1, 1, True]
    assert facts[3]["may_resume"] is False


async def test_a_stream_goes_on_after_a_lost_connection(serve, engines, picture_bytes) -> None:
    wishes = {"vote": {"k": 2, "n": 4}, "heatmap": "map"}
    async with serve(max_batch_size=1) as client:
        async with connect(client) as socket:
            session = (await socket.hello(**wishes))["session"]
            socket.frame(0, picture_bytes(200))
            await socket.hear()
            await socket.raw()
            engines[0].gate.clear()
            socket.frame(1, picture_bytes(200))
            socket.frame(2, picture_bytes(50))
            await started(engines, 2)
            socket.close(1006)
            await socket.task
        engines[0].gate.set()
        async with connect(client) as socket:
            welcome = await socket.hello(**wishes, session=session, last_sequence=0)
            assert welcome["resumed"] is True
            assert welcome["session"] == session
            assert welcome["next_sequence"] == 3
            socket.frame(3, picture_bytes(50))
            answers = []
            for _ in range(3):
                answers.append(await socket.hear())
                assert len((await socket.raw())["bytes"]) == answers[-1]["heatmap"]["bytes"]
            assert numbered(answers) == [("answer", 1), ("answer", 2), ("answer", 3)]
            assert [answer["vote"] for answer in answers] == [
                {"anomalous": True, "count": 2, "of": 2},
                {"anomalous": True, "count": 2, "of": 3},
                {"anomalous": True, "count": 2, "of": 4},
            ]
            socket.say("bye")
            assert (await socket.hear())["stats"]["answered"] == 4


async def test_a_session_that_is_gone_begins_anew_after_the_last_answer(serve) -> None:
    async with serve() as client, connect(client) as socket:
        welcome = await socket.hello(session="forgotten", last_sequence=41)
        assert welcome["resumed"] is False
        assert welcome["session"] != "forgotten"
        assert welcome["next_sequence"] == 42


async def test_a_session_that_said_bye_is_over(serve) -> None:
    async with serve() as client:
        async with connect(client) as socket:
            session = (await socket.hello())["session"]
            socket.say("bye")
            await socket.until_closed()
        async with connect(client) as socket:
            assert (await socket.hello(session=session))["resumed"] is False


async def test_a_client_that_closes_without_bye_is_given_up(serve, engines, picture_bytes) -> None:
    async with serve(max_batch_size=1) as client:
        async with connect(client) as socket:
            session = (await socket.hello())["session"]
            engines[0].gate.clear()
            for sequence in range(3):
                socket.frame(sequence, picture_bytes())
            await started(engines, 1)
            depth = 'takt_queue_depth{model="parts",version="1"} 2.0'
            while depth not in (await client.get("/metrics")).text:
                await asyncio.sleep(0)
            socket.close(1000)
            await socket.task
        assert depth.replace("2.0", "0.0") in (await client.get("/metrics")).text
        async with connect(client) as socket:
            assert (await socket.hello(session=session))["resumed"] is False


async def test_a_stream_is_gone_on_with_only_by_the_same_hello(serve) -> None:
    async with serve() as client:
        async with connect(client) as socket:
            session = (await socket.hello(threshold=0.3))["session"]
            socket.close(1006)
            await socket.task
        async with connect(client) as socket:
            socket.say("hello", session=session, threshold=0.4)
            (error,), closed = await socket.until_closed()
            assert closed == 1008
            assert "say the same hello" in error["detail"]
        async with connect(client) as socket:
            assert (await socket.hello(session=session, threshold=0.3))["resumed"] is True


async def test_a_connection_that_comes_back_takes_the_stream_from_the_one_before(
    serve, picture_bytes
) -> None:
    async with serve() as client, connect(client) as old, connect(client) as new:
        session = (await old.hello())["session"]
        assert (await new.hello(session=session))["resumed"] is True
        (error,), closed = await old.until_closed()
        assert closed == 1008
        assert "another connection" in error["detail"]
        new.frame(0, picture_bytes())
        assert (await new.hear())["sequence"] == 0


async def test_closing_the_server_answers_what_was_accepted(serve, engines, picture_bytes) -> None:
    async with serve(max_batch_size=1) as client:
        async with connect(client) as socket, connect(client) as idle:
            await socket.hello()
            await idle.hello(policy="latest")
            engines[0].gate.clear()
            for sequence in range(4):
                socket.frame(sequence, picture_bytes())
            depth = 'takt_queue_depth{model="parts",version="1"} 3.0'
            while depth not in (await client.get("/metrics")).text:
                await asyncio.sleep(0)
            app = client._transport.app
            closing = asyncio.create_task(app.state.sessions.close(60.0))
            assert await idle.until_closed() == ([], 1001)
            assert not closing.done()
            engines[0].gate.set()
            heard, code = await socket.until_closed()
            assert code == 1001
            assert numbered(heard) == [("answer", sequence) for sequence in range(4)]
            await closing
        async with connect(client) as late:
            late.say("hello")
            (error,), code = await late.until_closed()
            assert code == 1013
            assert "closing" in error["detail"]


@pytest.mark.parametrize(
    ("headers", "settings"),
    [
        ({}, {}),
        ({"origin": "http://takt"}, {}),
        (
            {"origin": "https://line.example", "x_forwarded_host": "line.example"},
            {"allowed_hosts": "takt,line.example"},
        ),
        ({"origin": "https://other.example"}, {"allowed_origins": "https://other.example"}),
        ({"origin": "https://two"}, {"allowed_origins": "https://one, https://two/"}),
        ({"origin": "null"}, {"allowed_origins": "*"}),
    ],
)
async def test_pages_of_the_server_and_those_that_are_named_may_stream(
    serve, headers, settings
) -> None:
    async with serve(**settings) as client, connect(client, **headers) as socket:
        assert (await socket.hello())["type"] == "welcome"


@pytest.mark.parametrize(
    "origin",
    ["https://other.example", "http://takt:81", "null", "http://takt.other.example", "http://["],
)
async def test_pages_of_others_may_not_stream(serve, origin: str) -> None:
    async with serve() as client:
        app = client._transport.app
        socket = Socket(app, PATH, {"host": "takt", "origin": origin})
        start, body = await socket.raw(), await socket.raw()
        assert start["type"] == "websocket.http.response.start"
        assert start["status"] == 403
        problem = json.loads(body["body"])
        assert problem["code"] == "forbidden"
        assert "allowed_origins" in problem["detail"]
        await socket.task


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
async def test_a_stream_goes_to_the_last_number_there_is_and_resumes_after_it(
    serve, picture_bytes, number: int
) -> None:
    async with serve() as client:
        async with connect(client) as socket:
            session = (await socket.hello(last_sequence=number - 1))["session"]
            socket.frame(number, picture_bytes(), captured_us=2**64 - 1)
            answer = await socket.hear()
            assert (answer["sequence"], answer["captured_us"]) == (number, 2**64 - 1)
            socket.close(1006)
            await socket.task
        async with connect(client) as socket:
            welcome = await socket.hello(session=session, last_sequence=number)
            assert (welcome["resumed"], welcome["next_sequence"]) == (
                True,
                min(number + 1, 2**64 - 1),
            )
            socket.frame(number, picture_bytes())
            (error,), code = await socket.until_closed()
            assert (code, error["code"]) == (1008, "bad_request")


@pytest.mark.parametrize("number", [str(2**64), "1" + 30 * "0", "1e30", "-1", "0.5"])
async def test_a_last_sequence_that_no_frame_can_have_is_refused_by_its_name(
    serve, number: str
) -> None:
    async with serve() as client, connect(client) as socket:
        socket.text(f'{{"type": "hello", "last_sequence": {number}}}')
        (error,), code = await socket.until_closed()
        assert (code, error["code"]) == (1008, "invalid_parameter")
        assert "last_sequence" in error["detail"]


async def test_an_unforeseen_error_closes_the_stream_and_tells_nothing(
    serve, picture_bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    async with serve() as client, connect(client) as socket:
        await socket.hello()
        monkeypatch.setattr("service.api.stream.connection.answer_json", fail)
        socket.frame(0, picture_bytes())
        (error,), closed = await socket.until_closed()
        assert closed == 1011
        assert error["code"] == "internal_error"
        assert "secret" not in json.dumps(error)


async def test_a_client_that_says_nothing_is_not_waited_for(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.stream.routes.HELLO_WITHIN_S", 0.0)

    async with serve() as client, connect(client) as socket:
        (error,), closed = await socket.until_closed()
        assert closed == 1008
        assert "no hello came" in error["detail"]
