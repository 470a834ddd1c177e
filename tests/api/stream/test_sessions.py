"""Sessions that are left, resumed and ended."""

from __future__ import annotations

import asyncio
import logging

import pytest

from takt.parts.composing.assembly import foundation_of
from tests.api.stream.socket import connect, numbered, started


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
                {"anomalous": True, "count": 2, "of": 2, "undecided": 0},
                {"anomalous": True, "count": 2, "of": 3, "undecided": 0},
                {"anomalous": True, "count": 2, "of": 4, "undecided": 0},
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
            closing = asyncio.create_task(foundation_of(app).sessions.close(60.0))
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
