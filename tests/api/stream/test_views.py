"""Views of parts by a stream: taken where REST takes them, in the order of the frames."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.recording.record import Record
from tests.api.apps import until
from tests.api.multiview.conftest import RECIPE, save, send
from tests.api.multiview.test_record import stored
from tests.api.stream.socket import Socket, connect, hear, numbered, started


def say_view(socket: Socket, part: str, view: str, **more: Any) -> None:
    """Say which view the next frame shows."""
    socket.say("view", part=part, view=view, **{"recipe": "bracket", **more})


def send_view(
    socket: Socket, sequence: int, picture: bytes, part: str, view: str, **more: Any
) -> None:
    """Send a frame that shows a view."""
    say_view(socket, part, view, **more)
    socket.frame(sequence, picture)


@pytest.fixture
def good(picture_bytes) -> bytes:
    """A picture that scores 0.2."""
    return picture_bytes(50)


async def test_a_view_is_answered_as_by_rest_and_the_last_one_has_the_part_s_result(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await save(client)
        await socket.hello(threshold=0.9)
        send_view(socket, 0, good, "A", "top")
        # Of views on their way together, either may be the last one to be inspected.
        first = await socket.hear()
        socket.frame(1, good)
        send_view(socket, 2, bad_part, "A", "side")
        plain, last = await hear(socket, 2)
        await send(client, "B", "top", good)
        rest = (await send(client, "B", "side", bad_part)).json()
    assert numbered([first, plain, last]) == [("answer", 0), ("answer", 1), ("answer", 2)]
    assert plain["view"] is None
    assert (first["view"]["view"], first["view"]["result"]) == ("top", None)
    # The recipe judges a view, whatever the hello says of other frames.
    assert (plain["threshold"], first["threshold"]) == (0.9, rest["inspection"]["threshold"])
    seen = last["view"]
    assert seen.keys() == rest.keys() - {"request_id", "inspection"}
    assert (seen["part"], seen["recipe"], seen["revision"]) == ("A", "bracket", 1)
    assert seen["number"] == first["view"]["number"]
    for same in ("verdict", "reason", "score", "view", "ended_by"):
        assert seen["result"][same] == rest["result"][same]
    for same in ("model", "version", "score", "threshold", "verdict", "regions"):
        assert last[same] == rest["inspection"][same]


async def test_views_of_one_part_come_by_a_stream_and_by_rest(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await save(client)
        await socket.hello()
        send_view(socket, 0, bad_part, "A", "top", station="press 3", lot="L1")
        number = (await socket.hear())["view"]["number"]
        last = (await send(client, "A", "side", good)).json()
        assert (last["number"], last["result"]["verdict"]) == (number, "defect")
        part = await stored(client, "A")
        ids = [view["inspection_id"] for view in part["views"]]
        rows = (await client.get("/v1/inspections", params={"part": "A"})).json()["inspections"]
        by_id = {row["id"]: row for row in rows}
    top = by_id[ids[0]]
    assert (top["view"], top["part_number"], top["lot"]) == ("top", number, "L1")
    assert (top["station"], top["request_id"][-2:]) == ("press 3", "-0")


async def test_what_speaks_against_a_view_is_answered_in_its_place_and_the_stream_goes_on(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await save(client)
        await save(client, "bolt", number=8)
        await socket.hello()
        send_view(socket, 0, good, "A", "top")
        send_view(socket, 1, good, "A", "top")
        send_view(socket, 2, good, "A", "below")
        send_view(socket, 3, good, "A", "side", recipe="bolt")
        send_view(socket, 4, good, "B", "top", recipe="nut")
        send_view(socket, 5, b"no picture", "A", "side")
        messages = await hear(socket, 6)
        # A picture that could not be inspected may be sent again.
        send_view(socket, 6, good, "A", "side")
        assert (await socket.hear())["view"]["result"]["verdict"] == "good"
        send_view(socket, 7, good, "A", "side")
        late = await socket.hear()
        send_view(socket, 8, good, "A", "side", again=True)
        again = await socket.hear()
    assert [message.get("code") for message in messages] == [
        *(None, "view_taken", "view_not_found", "other_recipe", "recipe_not_found"),
        "invalid_image",
    ]
    assert [message["sequence"] for message in messages] == list(range(6))
    assert (late["type"], late["status"], late["code"]) == ("error", 409, "part_ended")
    assert again["view"]["result"] is None


async def test_a_view_that_fails_counts_for_the_model_that_its_recipe_names(
    serve, bundle: Bundle, make_bundle, sqlite_record: Record, good
) -> None:
    make_bundle("sides")
    top, side = RECIPE["views"]
    settings = {"record": sqlite_record, "max_image_bytes": 10_000}
    async with serve(**settings) as client, connect(client) as socket:
        await save(client, views=[top, {**side, "model": "sides"}])
        await socket.hello()
        send_view(socket, 0, b"no picture", "A", "side")
        send_view(socket, 1, good, "A", "below")
        send_view(socket, 2, bytes(10_001), "A", "side")
        socket.frame(3, b"no picture")
        failed = await hear(socket, 4)
        metrics = (await client.get("/metrics")).text
    codes = ["invalid_image", "view_not_found", "image_too_large", "invalid_image"]
    assert [one["code"] for one in failed] == codes
    assert not any("model" in one for one in failed)
    counted = {
        (model, code): f'model="{model}",outcome="{code}",protocol="stream"' in metrics
        for model in ("parts", "sides", "unknown")
        for code in codes
    }
    assert {one for one, there in counted.items() if there} == {
        ("sides", "invalid_image"),
        ("unknown", "view_not_found"),
        ("unknown", "image_too_large"),
        ("parts", "invalid_image"),
    }


async def test_a_server_without_a_record_has_no_recipes_for_views(
    serve, bundle: Bundle, good
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        send_view(socket, 0, good, "A", "top")
        socket.frame(1, good)
        refused, plain = await hear(socket, 2)
    assert (refused["status"], refused["code"], plain["type"]) == (404, "no_record", "answer")


async def test_views_are_never_dropped_for_a_newer_frame(
    serve, bundle: Bundle, sqlite_record: Record, engines, good
) -> None:
    async with serve(record=sqlite_record, max_batch_size=1) as client, connect(client) as socket:
        await save(client)
        await socket.hello(policy="latest")
        engines[0].gate.clear()
        socket.frame(0, good)
        await started(engines, 1)
        send_view(socket, 1, good, "A", "top")
        socket.frame(2, good)
        send_view(socket, 3, good, "A", "side")
        socket.frame(4, good)
        dropped = await socket.hear()
        assert dropped == {"type": "dropped", "sequence": 2, "dropped": 1}
        engines[0].gate.set()
        answers = await hear(socket, 4)
    assert numbered(answers) == [("answer", 0), ("answer", 1), ("answer", 3), ("answer", 4)]
    # Either view may be the last one to be inspected.
    results = [answer["view"]["result"] for answer in (answers[1], answers[2])]
    assert [one["verdict"] for one in results if one is not None] == ["good"]


async def test_a_view_that_finds_the_queue_full_says_so_and_may_be_sent_again(
    serve, bundle: Bundle, sqlite_record: Record, engines, good
) -> None:
    settings = {"max_batch_size": 1, "max_queue_size": 1}
    async with serve(record=sqlite_record, **settings) as client, connect(client) as socket:
        await save(client)
        await socket.hello(policy="latest")
        engines[0].gate.clear()
        url = "/v1/models/parts/inspect"
        running = asyncio.create_task(client.post(url, content=good))
        await started(engines, 1)
        waiting = asyncio.create_task(client.post(url, content=good))
        depth = 'takt_queue_depth{model="parts",version="1"} 1.0'
        while depth not in (await client.get("/metrics")).text:
            await asyncio.sleep(0)
        send_view(socket, 0, good, "A", "top")
        refused = await socket.hear()
        assert (refused["type"], refused["sequence"]) == ("error", 0)
        assert (refused["status"], refused["code"]) == (429, "queue_full")
        engines[0].gate.set()
        await asyncio.gather(running, waiting)
        send_view(socket, 1, good, "A", "top")
        assert (await socket.hear())["view"]["view"] == "top"


async def test_a_view_has_no_vote_and_counts_in_none(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await save(client)
        await socket.hello(vote={"k": 1, "n": 3}, smoothing=0.5)
        socket.frame(0, good)
        send_view(socket, 1, bad_part, "A", "top")
        socket.frame(2, good)
        before, view, after = await hear(socket, 3)
    assert (view["vote"], view["smoothed_score"]) == (None, None)
    assert after["vote"] == {"anomalous": False, "count": 0, "of": 2, "undecided": 0}
    assert after["smoothed_score"] == pytest.approx(before["score"])


async def test_a_view_whose_sender_is_gone_for_good_may_be_sent_by_another(
    serve, bundle: Bundle, sqlite_record: Record, engines, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        async with connect(client) as socket:
            await socket.hello()
            for engine in engines:
                engine.gate.clear()
            send_view(socket, 0, good, "A", "top")
            await until(lambda: any(engine.batch_sizes for engine in engines))
        for engine in engines:
            engine.gate.set()
        async with asyncio.timeout(20):
            while (answer := await send(client, "A", "top", good)).status_code != 200:
                assert answer.json()["code"] == "view_taken"
                await asyncio.sleep(0)


async def test_a_view_of_a_lost_connection_is_answered_to_whoever_goes_on(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        async with connect(client) as socket:
            session = (await socket.hello())["session"]
            send_view(socket, 0, good, "A", "top")
            assert (await socket.hear())["view"]["view"] == "top"
            say_view(socket, "A", "side")
            socket.close(1006)
            await socket.task
        async with connect(client) as socket:
            welcome = await socket.hello(session=session)
            assert (welcome["resumed"], welcome["next_sequence"]) == (True, 1)
            assert (await socket.hear())["view"]["view"] == "top"
            # What was said on the lost connection, without its frame, is forgotten.
            socket.frame(1, good)
            assert (await socket.hear())["view"] is None
            send_view(socket, 2, good, "A", "side")
            assert (await socket.hear())["view"]["result"]["verdict"] == "good"


async def test_a_view_is_of_the_part_that_its_message_names(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await save(client, views=[RECIPE["views"][0]])
        await socket.hello(lot="L1")
        socket.say("part", part="B", lot="L2")
        send_view(socket, 0, good, "A", "top")
        socket.frame(1, good)
        await hear(socket, 2)
        part = await stored(client, "A")
        (view,) = part["views"]
        row = (await client.get(f"/v1/inspections/{view['inspection_id']}")).json()
        assert (row["part"], row["lot"]) == ("A", "L1")
        for _ in range(10_000):
            found = await client.get("/v1/inspections", params={"part": "B"})
            if rows := found.json()["inspections"]:
                break
    assert [(one["lot"], one["view"]) for one in rows] == [("L2", None)]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"part": "A", "view": "top"}, "invalid_parameter"),
        ({"part": "A/B", "view": "top", "recipe": "bracket"}, "invalid_parameter"),
        ({"part": "A", "view": "a/b", "recipe": "bracket"}, "invalid_parameter"),
        ({"part": "A", "view": "top", "recipe": "bracket", "speed": 1}, "invalid_parameter"),
    ],
)
async def test_a_message_that_names_no_view_ends_the_stream(
    serve, bundle: Bundle, fields: dict[str, Any], code: str
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.say("view", **fields)
        (error,), closed = await socket.until_closed()
    assert (error["code"], closed) == (code, 1008)


async def test_two_views_without_a_frame_between_them_end_the_stream(serve, bundle: Bundle) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        say_view(socket, "A", "top")
        say_view(socket, "A", "side")
        (error,), closed = await socket.until_closed()
    assert (error["code"], closed) == ("bad_request", 1008)
    assert "send the frame that shows the view after each" in error["detail"]
