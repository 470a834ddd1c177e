import asyncio

import orjson
import pytest
from websockets.sync.server import ServerConnection

from takt.commands.bench.clock import LoopClock
from takt.commands.bench.figures import StreamCounts
from takt.commands.bench.stream import BenchStreamOptions, StreamTransport, open_streams
from takt.streaming.frames import unpack
from takt_client import RawPicture
from takt_client.connection import Server
from takt_client.errors import (
    ModelNotFoundError,
    RequestError,
    UnauthenticatedError,
    UnreachableError,
    UnreadableAnswerError,
)


def plan_of(url: str, **given: object) -> BenchStreamOptions:
    ours = {
        "server": Server.of(url, {"key": "tk_secret"}),
        "path": "/v1/models/parts/stream",
        "hello": {"policy": "all"},
        "pictures": {"1.png": b"one", "2.png": b"two"},
        "connections": 1,
        "window": None,
        "verdicts": True,
    }
    return BenchStreamOptions(**(ours | given))


def against(plan: BenchStreamOptions, test) -> None:
    async def body() -> None:
        async with asyncio.timeout(60), open_streams(plan, LoopClock()) as streams:
            await test(streams)

    asyncio.run(body())


def ask(streams: StreamTransport, count: int) -> list[asyncio.Task]:
    return [asyncio.create_task(streams.ask(lane)) for lane in range(count)]


def test_frames_carry_the_pictures_in_turn_and_are_answered(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        assert connection.request.headers["Authorization"] == "Bearer tk_secret"
        assert orjson.loads(connection.recv()) == {"type": "hello", "policy": "all"}
        connection.send(wire.welcome(credits=4))
        for sequence, picture in enumerate([b"one", b"two", b"one"]):
            frame = unpack(connection.recv())
            assert (frame.sequence, bytes(frame.picture)) == (sequence, picture)
            connection.send(wire.answer(sequence))

    async def test(streams: StreamTransport) -> None:
        assert streams.credits == 4
        outcomes = await asyncio.gather(*ask(streams, 3))
        assert {(outcome.status, outcome.code) for outcome in outcomes} == {(200, "ok")}
        assert {outcome.age_ms for outcome in outcomes} == {3.0}
        assert all(outcome.anomalous for outcome in outcomes)
        assert outcomes[0].sent_bytes == 32 + 3
        counts = streams.counts()
        assert counts.order_violations == counts.lost_frames == 0

    with scripted(script) as url:
        against(plan_of(url), test)


def test_raw_pixels_are_sent_as_such(scripted, wire) -> None:
    raw = RawPicture(bytes(6), 2, 1, "rgb8")

    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        assert unpack(connection.recv()).picture.format == "rgb8"
        connection.send(wire.answer(0))

    async def test(streams: StreamTransport) -> None:
        assert (await streams.ask(0)).code == "ok"

    with scripted(script) as url:
        against(plan_of(url, pictures={"raw": raw}), test)


def test_an_answer_ends_with_its_heatmap(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        connection.recv()
        connection.send(wire.answer(0, heatmap={"kind": "map", "format": "png", "bytes": 5}))
        connection.send(b"12345")

    async def test(streams: StreamTransport) -> None:
        assert (await streams.ask(0)).received_bytes == 5

    with scripted(script) as url:
        against(plan_of(url), test)


def test_drops_and_refusals_are_told_apart(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=3))
        for _ in range(3):
            connection.recv()
        connection.send('{"type": "dropped", "sequence": 1, "dropped": 1}')
        connection.send(wire.refusal("engine_failed", 500, sequence=0))
        connection.send(wire.answer(2))

    async def test(streams: StreamTransport) -> None:
        refused, dropped, answered = await asyncio.gather(*ask(streams, 3))
        assert (refused.status, refused.code) == (500, "engine_failed")
        assert (dropped.status, dropped.code) == (0, "dropped")
        assert answered.code == "ok"
        assert streams.counts().order_violations == 0

    with scripted(script) as url:
        against(plan_of(url), test)


def test_an_answer_out_of_its_order_is_counted(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=2))
        for _ in range(2):
            connection.recv()
        connection.send(wire.answer(1))
        connection.send(wire.answer(0))

    async def test(streams: StreamTransport) -> None:
        await asyncio.gather(*ask(streams, 2))
        assert streams.counts().order_violations == 1

    with scripted(script) as url:
        against(plan_of(url), test)


def test_no_more_frames_are_under_way_than_credits_or_window_allow(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=8))
        for sequence in range(4):
            assert unpack(connection.recv()).sequence == sequence
            with pytest.raises(TimeoutError):
                connection.recv(timeout=0)
            connection.send(wire.answer(sequence))

    async def test(streams: StreamTransport) -> None:
        assert streams.credits == 1
        await asyncio.gather(*ask(streams, 4))

    with scripted(script) as url:
        against(plan_of(url, window=1), test)


def test_a_stream_that_is_closed_loses_what_was_under_way(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=2))
        connection.recv()
        connection.recv()
        connection.send(wire.answer(0))
        connection.close(1011)

    async def test(streams: StreamTransport) -> None:
        outcomes = await asyncio.gather(*ask(streams, 3))
        assert [outcome.code for outcome in outcomes] == [
            "ok",
            "connection_failed",
            "connection_failed",
        ]
        assert streams.counts().lost_connections == 1
        assert 1 <= streams.counts().lost_frames <= 2

    with scripted(script) as url:
        against(plan_of(url), test)


def test_what_the_server_says_of_the_whole_stream_is_what_its_frames_count_as(
    scripted, wire
) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=2))
        connection.recv()
        connection.recv()
        connection.send(wire.refusal("not_ready", 503))
        connection.close(1013)

    async def test(streams: StreamTransport) -> None:
        outcomes = await asyncio.gather(*ask(streams, 2))
        assert {(outcome.status, outcome.code) for outcome in outcomes} == {(503, "not_ready")}
        assert (await streams.ask(0)).code == "connection_failed"
        assert streams.counts() == StreamCounts(0, 2, 1)

    with scripted(script) as url:
        against(plan_of(url), test)


@pytest.mark.parametrize(
    "message", ["no JSON", "[]", "{}", '{"type": "answer", "sequence": "one", "heatmap": null}']
)
def test_a_message_that_makes_no_sense_is_counted_as_such(scripted, wire, message: str) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        connection.recv()
        connection.send(message)

    async def test(streams: StreamTransport) -> None:
        assert (await streams.ask(0)).code == UnreadableAnswerError.code
        assert streams.counts().lost_connections == 1

    with scripted(script) as url:
        against(plan_of(url), test)


def test_each_lane_has_a_stream_of_its_own(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome())
        assert unpack(connection.recv()).sequence == 0
        connection.send(wire.answer(0))

    async def test(streams: StreamTransport) -> None:
        assert streams.credits == 4
        await asyncio.gather(*ask(streams, 2))

    with scripted(script, script) as url:
        against(plan_of(url, connections=2), test)


async def _nothing(streams: StreamTransport) -> None:
    raise AssertionError("there is no stream")


def test_a_server_that_refuses_the_session_is_quoted(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal("model_not_found", 404))

    with (
        scripted(script) as url,
        pytest.raises(ModelNotFoundError, match="detail of model_not_found"),
    ):
        against(plan_of(url), _nothing)


def test_a_refusal_that_a_frame_would_meet_again_names_the_picture(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=2))
        connection.recv()
        connection.send(wire.answer(0))
        connection.recv()
        connection.send(wire.refusal("image_too_large", 413, sequence=1))

    async def test(streams: StreamTransport) -> None:
        assert (await streams.ask(0)).code == "ok"
        with pytest.raises(RequestError, match=r"2\.png: the detail of image_too_large"):
            await streams.ask(0)

    with scripted(script) as url:
        against(plan_of(url), test)


def test_a_stream_that_is_ended_for_good_ends_the_run(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=2))
        connection.recv()
        connection.send(wire.refusal("unauthenticated", 401))
        connection.close(1008)

    async def test(streams: StreamTransport) -> None:
        with pytest.raises(UnauthenticatedError, match="detail of unauthenticated"):
            await streams.ask(0)

    with scripted(script) as url:
        against(plan_of(url), test)


def test_no_server_is_said(scripted) -> None:
    with scripted() as url:
        pass
    with pytest.raises(UnreachableError, match="is the server running there"):
        against(plan_of(url), _nothing)
