"""Pictures that cannot be judged, where the model's owner has switched it on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.pictures.facts import PictureFacts, picture_facts
from takt.recording.record import Record
from takt.recording.tables import inspections
from tests.api.oip.requests import INFER, in_json
from tests.api.stream.socket import connect, hear
from tests.good_parts import good_part, with_good_facts

INSPECT = "/v1/models/parts/inspect"
THRESHOLD = "/v1/models/parts/threshold"


@pytest.fixture
def knowing(bundle: Bundle) -> Bundle:
    return with_good_facts(bundle)


@pytest.fixture
def black(picture_bytes) -> bytes:
    return picture_bytes(1)


async def switched(client: httpx.AsyncClient, on: bool = True) -> None:
    changed = await client.put(THRESHOLD, json={"undecided": on, "reason": "dirty lens"})
    assert changed.status_code == 200, changed.text


async def answer(client: httpx.AsyncClient, picture: bytes, **query: Any) -> dict[str, Any]:
    return (await client.post(INSPECT, content=picture, params=query)).json()


async def test_a_black_picture_passes_as_good_until_the_switch_is_on(serve, knowing, black) -> None:
    async with serve() as client:
        before = await answer(client, black)
        assert (before["anomalous"], before["verdict"], before["undecided"]) == (
            *(False, "good"),
            None,
        )
        await switched(client)
        after = await answer(client, black)
        assert after["verdict"] == "undecided"
        assert after["undecided"]["fact"] == "brightness"
        assert after["undecided"]["text"].startswith("the picture is too dark: its brightness is ")
        await switched(client, on=False)
        assert (await answer(client, black))["verdict"] == "good"


async def test_a_client_that_knows_anomalous_alone_rejects_what_is_undecided(
    serve, knowing, black
) -> None:
    async with serve() as client:
        await switched(client)
        found = await answer(client, black, threshold=9, pixel_threshold=9)
        assert found["anomalous"] is True
        drawn = await client.post(INSPECT, content=black, headers={"Accept": "image/png"})
        assert drawn.headers["x-takt-anomalous"] == "true"
        assert drawn.headers["x-takt-verdict"] == "undecided"


async def test_a_good_part_and_a_defect_are_judged_with_the_switch_on(serve, knowing) -> None:
    async with serve() as client:
        await switched(client)
        good = await answer(client, good_part(99))
        assert (good["verdict"], good["anomalous"], good["undecided"]) == ("good", False, None)
        bad = await answer(client, good_part(99), threshold=0.01)
        assert (bad["verdict"], bad["anomalous"], bad["undecided"]) == ("defect", True, None)


async def test_a_bundle_that_does_not_know_its_good_pictures_cannot_be_switched_on(
    serve, black
) -> None:
    async with serve() as client:
        refused = await client.put(THRESHOLD, json={"undecided": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "takt calibrate" in refused.json()["detail"]
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["thresholds"]["undecided"] is None


async def test_the_switch_survives_a_restart_and_going_back_to_the_bundles_thresholds(
    serve, knowing, black
) -> None:
    async with serve() as client:
        await switched(client)
        await client.put(THRESHOLD, json={"image": 0.9})
    async with serve() as client:
        back = (await client.delete(THRESHOLD)).json()
        assert back["old"] == {"image": 0.9, "pixel": 0.5, "undecided": True}
        assert back["new"] == {"image": 0.5, "pixel": 0.5, "undecided": True}
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["thresholds"]["undecided"] is True
        assert (await answer(client, black))["verdict"] == "undecided"
    kept = json.loads((knowing.path / OVERRIDES).read_text())
    assert (kept["image"], kept["undecided"]["value"]) == (None, True)


async def test_the_open_inference_protocol_has_the_reason_beside_its_tensors(
    serve, knowing, black
) -> None:
    async with serve() as client:
        await switched(client)
        body = in_json([black, good_part(99)])
        body["outputs"] = [{"name": "anomalous"}]
        found = (await client.post(INFER, json=body)).json()
        assert found["outputs"][0]["data"] == [True, False]
        first, second = json.loads(found["parameters"]["undecided"])
        assert first["text"].startswith("the picture is ")
        assert second is None
        of_good = (await client.post(INFER, json=in_json([good_part(99)]))).json()
        assert json.loads(of_good.get("parameters", {}).get("undecided", "[null]")) == [None]


async def test_a_stream_tells_of_each_frame_and_counts_them(serve, knowing, black) -> None:
    async with serve() as client:
        await switched(client)
        async with connect(client) as socket:
            await socket.hello(vote={"k": 1, "n": 2})
            for sequence, picture in enumerate((black, good_part(99))):
                socket.frame(sequence, picture)
            first, second = await hear(socket, 2)
            assert (first["verdict"], second["verdict"]) == ("undecided", "good")
            assert first["undecided"]["fact"] and second["undecided"] is None
            assert second["vote"] == {"anomalous": True, "count": 1, "of": 2, "undecided": 1}


async def test_what_is_undecided_is_recorded_found_and_counted(
    serve, knowing, black, bad_part, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await switched(client)
        given = await answer(client, black)
        await answer(client, good_part(99))
        metrics = (await client.get("/metrics")).text
    with sqlite_record.database.reading() as connection:
        rows = connection.execute(select(inspections).order_by(inspections.c.id)).all()
    assert json.loads(rows[0].undecided) == given["undecided"]
    assert (rows[0].anomalous, rows[1].undecided) == (True, None)
    counted = 'takt_requests_total{model="parts",outcome="ok",protocol="rest",verdict="undecided"}'
    assert f"{counted} 1.0" in metrics
    async with serve(record=sqlite_record) as client:
        for wanted, ids in (("undecided", [1]), ("reject", [1]), ("pass", [2])):
            found = (await client.get("/v1/inspections", params={"verdict": wanted})).json()
            assert [one["id"] for one in found["inspections"]] == ids
        one = (await client.get("/v1/inspections/1")).json()
        assert (one["verdict"], one["undecided"]) == ("undecided", given["undecided"])
        tiles = (await client.get("/v1/review/tiles")).json()["tiles"]
        assert [tile["verdict"] for tile in tiles] == ["good", "undecided"]
        csv = (await client.get("/v1/inspections/export", params={"format": "csv"})).text
        assert given["undecided"]["text"] in csv


@pytest.mark.parametrize("recorded", [False, True])
async def test_facts_are_told_only_where_they_are_kept_or_a_verdict_needs_them(
    serve, knowing, black, sqlite_record, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    told = []

    def counted(*picture: Any) -> PictureFacts:
        told.append(picture)
        return picture_facts(*picture)

    monkeypatch.setattr("takt.core.pictures.prepare.picture_facts", counted)
    async with serve(record=sqlite_record if recorded else None) as client:
        await answer(client, black)
        assert len(told) == recorded
        await switched(client)
        await answer(client, black)
        assert len(told) == recorded + 1
