"""Parts of several views: one result, by one revision, whatever comes when."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from sqlalchemy import select

from takt.core.bundles.bundle import Bundle
from takt.multiview.open_parts import LATE_S, MOST_OPEN
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import Record, open_record
from takt.recording.tables import inspections
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.api.multiview.conftest import RECIPE, save, send
from tests.api.records.test_audit import locked


async def waited(client, part: str) -> dict:
    """A part, once it has its result."""
    answer = await client.get(f"/v1/parts/{part}", params={"wait_ms": 20_000})
    assert answer.status_code == 200, answer.text
    return answer.json()["part"]


async def test_the_last_view_gives_the_part_its_result(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        first = await send(client, "A-17", "side", good, lot="L1")
        assert first.status_code == 200
        body = first.json()
        assert (body["part"], body["recipe"], body["revision"]) == ("A-17", "bracket", 1)
        assert (body["view"], body["result"]) == ("side", None)
        inspection = body["inspection"]
        assert (inspection["model"], inspection["verdict"]) == ("parts", "good")
        assert inspection["threshold"] == pytest.approx(0.48)
        assert inspection["request_id"] == first.headers["x-request-id"]

        open_part = (await client.get("/v1/parts/A-17")).json()["part"]
        assert (open_part["state"], open_part["result"]) == ("open", None)
        assert [view["state"] for view in open_part["views"]] == ["waiting", "inspected"]
        assert 0 < open_part["left_ms"] <= 60_000

        last = (await send(client, "A-17", "top", bad_part)).json()
        result = last["result"]
        assert last["number"] == body["number"]
        assert (result["verdict"], result["reason"], result["ended_by"]) == (
            "defect",
            None,
            "views",
        )
        assert (result["view"], result["score"] > 1) == ("top", True)
        assert [view["view"] for view in result["views"]] == ["top", "side"]
        assert [view["verdict"] for view in result["views"]] == ["defect", "good"]
        ended = (await client.get("/v1/parts/A-17")).json()["part"]
        assert (ended["state"], ended["number"]) == ("ended", body["number"])
        assert ended["result"]["verdict"] == "defect"


async def test_good_views_make_a_good_part(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await send(client, "A", "top", good)
        result = (await send(client, "A", "side", good)).json()["result"]
    assert (result["verdict"], result["reason"]) == ("good", None)
    assert result["score"] == pytest.approx(50 / 255 / 0.48, rel=1e-3)


async def test_a_part_keeps_the_revision_of_its_first_view(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await send(client, "A", "top", good)
        hand = {"image": 0.1, "pixel": 0.1}
        views = [{**view, "thresholds": hand} for view in RECIPE["views"]]
        await save(client, views=views)
        old = (await send(client, "A", "side", good)).json()
        new = (await send(client, "B", "side", good)).json()
        assert (old["revision"], old["result"]["verdict"]) == (1, "good")
        assert (new["revision"], new["inspection"]["verdict"]) == (2, "defect")
        await client.delete("/v1/recipes/bracket")
        assert (await send(client, "B", "top", good)).json()["result"]["verdict"] == "defect"
        unknown = await send(client, "C", "top", good)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "recipe_not_found")


@pytest.mark.parametrize(
    ("view", "query", "status", "code"),
    [
        ("top", {}, 409, "view_taken"),
        ("below", {}, 404, "view_not_found"),
        ("side", {"recipe": "bolt"}, 409, "other_recipe"),
        ("side", {"threshold": 0.9}, 422, "invalid_parameter"),
    ],
)
async def test_a_view_that_does_not_belong_is_refused_and_the_part_goes_on(
    serve, bundle: Bundle, sqlite_record: Record, good, view, query, status: int, code: str
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await save(client, "bolt", number=8)
        await send(client, "A", "top", good)
        refused = await send(client, "A", view, good, **query)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert (await send(client, "A", "side", good)).json()["result"]["verdict"] == "good"


async def test_a_view_that_is_not_of_the_recipe_begins_no_part(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        assert (await send(client, "A", "below", good)).status_code == 404
        missing = await client.get("/v1/parts/A")
        assert (missing.status_code, missing.json()["code"]) == (404, "part_not_found")


async def test_a_part_that_is_ended_early_is_undecided_for_what_is_missing(
    serve, bundle: Bundle, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await send(client, "A", "top", bad_part)
        ended = (await client.post("/v1/parts/A/end")).json()["part"]
        result = ended["result"]
        assert (result["verdict"], result["reason"], result["ended_by"]) == (
            "undecided",
            "missing_view",
            "end",
        )
        assert [view["state"] for view in result["views"]] == ["inspected", "missing"]
        late = await send(client, "A", "side", bad_part)
        assert (late.status_code, late.json()["code"]) == (409, "part_ended")
        again = (await client.post("/v1/parts/A/end")).json()["part"]
        assert again["number"] == ended["number"]
        nobody = await client.post("/v1/parts/B/end")
        assert (nobody.status_code, nobody.json()["code"]) == (404, "part_not_found")


async def test_at_the_deadline_a_part_has_its_result(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client, deadline_ms=400)
        await send(client, "A", "top", good)
        part = await waited(client, "A")
        result = part["result"]
        assert (result["verdict"], result["reason"], result["ended_by"]) == (
            "undecided",
            "missing_view",
            "deadline",
        )
        assert (await send(client, "A", "side", good)).json()["code"] == "part_ended"


async def test_a_part_that_has_ended_is_not_waited_for_while_another_one_of_its_id_is_open(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await send(client, "A", "top", good)
        former = (await client.post("/v1/parts/A/end")).json()["part"]["number"]
        await send(client, "A", "top", good, again=True)
        asked = {"number": former, "wait_ms": 60_000}
        async with asyncio.timeout(20):
            told = (await client.get("/v1/parts/A", params=asked)).json()["part"]
        assert (told["number"], told["state"]) == (former, "ended")


async def test_each_part_that_has_ended_is_found_by_its_number_before_it_is_recorded(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        with locked(sqlite_record):
            ended = {}
            for picture, verdict in ((bad_part, "defect"), (good, "good"), (bad_part, "defect")):
                for view in ("top", "side"):
                    sent = await send(client, "A", view, picture, again=True)
                ended[sent.json()["number"]] = verdict
            for number, verdict in ended.items():
                found = await client.get("/v1/parts/A", params={"number": number})
                told = found.json()["part"]
                assert (told["number"], told["result"]["verdict"]) == (number, verdict)
            other = await client.get("/v1/parts/B", params={"number": number})
            assert other.status_code == 404


async def test_nobody_is_kept_waiting_for_a_part_by_a_server_that_ends(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await send(client, "A", "top", good)
        asked = client.get("/v1/parts/A", params={"wait_ms": 60_000})
        waiting = asyncio.create_task(asked)
        await foundation_of(client._transport.app).close_streams(0.0)
        async with asyncio.timeout(20):
            assert (await waiting).json()["part"]["state"] == "open"


async def test_a_view_that_is_inspected_at_the_deadline_changes_nothing(
    serve, bundle: Bundle, sqlite_record: Record, engines, good
) -> None:
    one_view = [RECIPE["views"][0]]
    async with serve(record=sqlite_record) as client:
        await save(client, views=one_view, deadline_ms=2000)
        for engine in engines:
            engine.gate.clear()
        sent = asyncio.create_task(send(client, "A", "top", good))
        await until(lambda: any(engine.batch_sizes for engine in engines))
        part = await waited(client, "A")
        assert (part["result"]["verdict"], part["result"]["ended_by"]) == ("undecided", "deadline")
        answer = await sent
        assert answer.json()["code"] in ("deadline_exceeded", "part_ended")
        for engine in engines:
            engine.gate.set()
        assert (await waited(client, "A"))["result"] == part["result"]
    with sqlite_record.database.reading() as connection:
        assert connection.execute(select(inspections.c.id)).all() == []


async def test_a_picture_that_could_not_be_inspected_may_be_sent_again(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        broken = await send(client, "A", "top", b"no picture")
        assert broken.status_code == 415 or broken.json()["code"] == "invalid_image"
        assert (await client.get("/v1/parts/A")).json()["part"]["state"] == "open"
        assert (await send(client, "A", "top", good)).status_code == 200
        assert (await send(client, "A", "side", good)).json()["result"]["verdict"] == "good"


async def test_an_id_stands_for_another_part_once_somebody_says_so(
    serve, bundle: Bundle, sqlite_record: Record, good, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        for view in ("top", "side"):
            first = (await send(client, "A", view, bad_part)).json()
        refused = await send(client, "A", "top", good)
        assert refused.json()["code"] == "part_ended"
        assert f"{LATE_S:.0f} s" in refused.json()["detail"]
        for view in ("top", "side"):
            second = (await send(client, "A", view, good, again=True)).json()
        assert second["number"] > first["number"]
        latest = (await client.get("/v1/parts/A")).json()["part"]
        assert (latest["number"], latest["result"]["verdict"]) == (second["number"], "good")


async def test_no_more_parts_wait_than_may(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        for number in range(MOST_OPEN):
            # A picture that is none is enough for a part to wait.
            await send(client, f"P{number}", "top", b"-")
        refused = await send(client, "one more", "top", good)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_parts")
        assert refused.headers["retry-after"] == "1"
        await client.post("/v1/parts/P0/end")
        assert (await send(client, "one more", "top", good)).status_code == 200


async def test_a_model_that_was_exchanged_under_its_recipe_is_not_asked(
    serve, make_bundle, tmp_path, good
) -> None:
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        await save(client)
    shutil.rmtree(tmp_path / "models" / "parts" / "1")
    make_bundle(scale=0.5)
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        refused = await send(client, "A", "top", good)
        assert (refused.status_code, refused.json()["code"]) == (409, "recipe_outdated")
        await save(client)
        assert (await send(client, "B", "top", good)).status_code == 200


async def test_whoever_inspects_sends_views_and_whoever_reads_alone_does_not(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await client.put("/v1/recipes/bracket", json=RECIPE, headers=bearer("leader"))
        url = "/v1/parts/A/views/top?recipe=bracket"
        answer = await client.post(url, content=good, headers=bearer("camera"))
        assert answer.status_code == 200
        assert (await client.get("/v1/parts/A")).status_code == 401
