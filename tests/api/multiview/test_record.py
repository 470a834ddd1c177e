"""What the record has of parts: one row with its views, each an inspection."""

from __future__ import annotations

import pytest

from takt.core.bundles.bundle import Bundle
from takt.multiview import desk
from takt.recording.record import Record, open_record
from tests.api.multiview.conftest import save, send


async def stored(client, part: str, **query) -> dict:
    """A part, once its inspections are in the record as well."""
    found: dict = {}

    async def look() -> bool:
        answer = await client.get(f"/v1/parts/{part}", params=query)
        found.update(answer.json()["part"])
        views = found["result"]["views"] if found["result"] else []
        return bool(views) and all(one["inspection_id"] for one in views if one["request_id"])

    for _ in range(10_000):
        if await look():
            return found
    raise AssertionError(f"part {part} is not stored")


async def listed(client, number: int, **query) -> list[dict]:
    """The parts of the record, once as many are there."""
    for _ in range(10_000):
        found = (await client.get("/v1/parts", params=query)).json()["parts"]
        if len(found) >= number:
            return found
    raise AssertionError("the parts are not stored")


async def test_a_part_is_recorded_with_its_views_and_each_view_as_an_inspection(
    serve, bundle: Bundle, record: Record, good, bad_part
) -> None:
    async with serve(record=record) as client:
        await save(client)
        await send(client, "A-17", "top", good, station="press 3", lot="L1")
        answer = (await send(client, "A-17", "side", bad_part)).json()
        part = await stored(client, "A-17")
        ids = [view["inspection_id"] for view in part["views"]]
        rows = (await client.get("/v1/inspections", params={"part": "A-17"})).json()["inspections"]
        assert sorted(row["id"] for row in rows) == sorted(ids)
        by_id = {row["id"]: row for row in rows}
        assert [by_id[one]["view"] for one in ids] == ["top", "side"]
        assert {row["part_number"] for row in rows} == {answer["number"]}
        assert by_id[ids[0]]["lot"] == "L1" and by_id[ids[1]]["lot"] is None
        (found,) = await listed(client, 1, part="A-17")
        assert found["result"]["verdict"] == "defect"
        assert [one["state"] for one in found["views"]] == ["inspected", "inspected"]


async def test_a_recorded_part_is_found_after_a_restart_by_id_number_recipe_and_verdict(
    serve, bundle: Bundle, tmp_path, good, bad_part
) -> None:
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        await save(client)
        numbers = {}
        for part, picture in (("A", good), ("B", bad_part)):
            for view in ("top", "side"):
                numbers[part] = (await send(client, part, view, picture)).json()["number"]
        await send(client, "A", "top", good, again=True)
        # The end of the server ends what is open.
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        latest = (await client.get("/v1/parts/A")).json()["part"]
        assert (latest["result"]["ended_by"], latest["result"]["reason"]) == (
            "closing",
            "missing_view",
        )
        first = (await client.get("/v1/parts/A", params={"number": numbers["A"]})).json()["part"]
        assert first["result"]["verdict"] == "good"
        found = (await client.get("/v1/parts", params={"verdict": "defect"})).json()["parts"]
        assert [one["part"] for one in found] == ["B"]
        found = (await client.get("/v1/parts", params={"recipe": "bracket"})).json()["parts"]
        assert [one["part"] for one in found] == ["A", "B", "A"]
        before = {"before": latest["number"], "limit": 1}
        found = (await client.get("/v1/parts", params=before)).json()["parts"]
        assert [one["part"] for one in found] == ["B"]


async def test_a_picture_that_is_no_view_has_neither_view_nor_part_number(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        await client.post("/v1/models/parts/inspect?part=A", content=good)
        for _ in range(10_000):
            rows = (await client.get("/v1/inspections")).json()["inspections"]
            if rows:
                break
    (row,) = rows
    assert (row["part"], row["view"], row["part_number"]) == ("A", None, None)


async def test_a_part_after_a_restart_has_a_higher_number_though_the_clock_was_set_back(
    serve, bundle: Bundle, tmp_path, good, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour_us = 3_600_000_000
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        await save(client)
        before = (await send(client, "A", "top", good)).json()["number"]
    monkeypatch.setattr(desk, "_now_us", lambda: before - hour_us)
    async with serve(record=open_record(tmp_path / "data", "sqlite")) as client:
        answer = (await send(client, "A", "top", good)).json()
        await send(client, "A", "side", good)
        # A page of parts goes by their numbers, and the latest of an id is the one after.
        latest = await stored(client, "A")
    assert latest["number"] == answer["number"] > before
    assert latest["result"]["ended_by"] == "views"
