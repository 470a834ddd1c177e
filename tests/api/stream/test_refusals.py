"""Streams that are refused or ended, and what the client is told."""

from __future__ import annotations

import json

import pytest

from takt_client.pictures import pack_frame
from tests.api.stream.socket import PATH, Socket, connect


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
        monkeypatch.setattr("takt.api.stream.connection.answer_json", fail)
        socket.frame(0, picture_bytes())
        (error,), closed = await socket.until_closed()
        assert closed == 1011
        assert error["code"] == "internal_error"
        assert "secret" not in json.dumps(error)


async def test_a_client_that_says_nothing_is_not_waited_for(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.api.stream.routes.HELLO_WITHIN_S", 0.0)

    async with serve() as client, connect(client) as socket:
        (error,), closed = await socket.until_closed()
        assert closed == 1008
        assert "no hello came" in error["detail"]
