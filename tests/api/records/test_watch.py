"""The watch of a server: a lamp that fades is an alarm, and people take note of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.manifest import Promise, Thresholds
from takt.parts import watching
from takt.recording.record import Record
from takt.recording.watch.watcher import RecordWatcher, WatchTurn
from takt.repository.activation import Activation
from tests.watched import COUNT, encoded, with_facts

Serve = Callable[..., Any]


@pytest.fixture
def watched_bundle(bundle: Bundle) -> Bundle:
    """The bundle with the facts of good pictures."""
    return with_facts(bundle)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until a condition holds."""
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


async def inspect(client: httpx.AsyncClient, data: bytes, **labels: str) -> dict[str, Any]:
    answer = await client.post("/v1/models/parts/inspect", content=data, params=labels)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_fading_lamp_calls_until_somebody_takes_note(
    watched_bundle: Bundle,
    serve: Serve,
    sqlite_record: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    async with serve(record=sqlite_record, keep="sample=1") as client:

        async def watched(pictures: int) -> None:
            async def there() -> bool:
                streams = (await get(client, "/v1/watch"))["streams"]
                return [one["pictures"] for one in streams] == [pictures]

            await eventually(there)

        for at in range(30):
            await inspect(client, encoded(1000 + at), station="left")
        await watched(30)
        assert (await get(client, "/v1/watch"))["calling"] == []
        for at in range(60):
            await inspect(client, encoded(2000 + at, light=0.8), station="left")
        await watched(90)

        found = await get(client, "/v1/watch")
        (stream,) = found["streams"]
        assert (stream["station"], stream["calibrated_on"]) == ("left", COUNT)
        (promise,) = found["promises"]
        assert promise["parts"] == 90
        assert promise["low"] <= promise["rejected"] / 90 <= promise["high"]
        (alarm,) = found["calling"]
        assert (alarm["cause"], alarm["station"]) == ("camera", "left")
        assert alarm["moved"][0]["side"] == "low"
        assert alarm["then_id"] < alarm["since_id"] <= alarm["now_id"]
        shown = 'takt_watch_alarm{cause="camera",model="parts",station="left"}'
        assert f"{shown} 1.0" in (await client.get("/metrics")).text

        course = await get(client, "/v1/watch/facts/brightness", model="parts", station="left")
        assert course["pictures"] == 90
        assert course["points"][-1]["spread"]["median"] < course["usual"]["low"]

        odd = await get(client, f"/v1/inspections/{alarm['raised_id']}/facts")
        assert {"brightness", "contrast"} & {one["fact"] for one in odd["facts"][:4]}
        assert odd["odder"] < 0.1

        noted = await client.post(
            f"/v1/watch/alarms/{alarm['id']}/acknowledge", json={"note": "lamp 2"}
        )
        assert noted.json()["alarm"]["note"] == "lamp 2"
        assert (await get(client, "/v1/watch"))["calling"] == []
        (listed,) = (await get(client, "/v1/watch/alarms", standing=True))["alarms"]
        assert listed["acknowledged_by"] and not listed["calls"]

        async def is_nought() -> bool:
            return f"{shown} 0.0" in (await client.get("/metrics")).text

        await eventually(is_nought)


@pytest.mark.parametrize(("promise", "share"), [("measured", 0.48), ("proven", 1.0)])
async def test_far_more_rejects_than_thresholds_were_found_for_are_a_condition_that_stays(
    serve: Serve,
    sqlite_record: Record,
    make_bundle: Callable[..., Bundle],
    picture_bytes: Callable[[int], bytes],
    monkeypatch: pytest.MonkeyPatch,
    promise: Promise,
    share: float,
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    found = Thresholds(
        image=0.5, pixel=0.5, method="tests", alpha=0.05, promise=promise, good_count=40
    )
    make_bundle(name="nuts", thresholds=found)
    good, bad = picture_bytes(50), picture_bytes(200)
    async with serve(record=sqlite_record) as client:

        async def broken() -> list[str]:
            conditions = (await get(client, "/v1/status"))["conditions"]
            said = [one for one in conditions if one["name"] == "TaktPromiseBroken"]
            return [one["text"] for one in said if one["firing"]]

        assert await broken() == []
        rejects = np.random.default_rng(1).random(50) < share
        for reject in rejects.tolist():
            picture = bad if reject else good
            await client.post("/v1/models/nuts/inspect", content=picture)

        async def told() -> bool:
            return len(await broken()) == 1

        await eventually(told)
        (promised,) = (await get(client, "/v1/watch"))["promises"]
        assert promised["broken"] and 0.1 < promised["promised"] < 0.12
        (alarm,) = (await get(client, "/v1/watch"))["calling"]
        await client.post(f"/v1/watch/alarms/{alarm['id']}/acknowledge", json={"note": "cracks"})

        async def quiet() -> bool:
            return await broken() == []

        await eventually(quiet)


@pytest.mark.parametrize("has_facts", [True, False], ids=["with facts", "without facts"])
async def test_after_an_activation_in_the_folder_the_watch_is_of_the_version_that_answers(
    watched_bundle: Bundle,
    repository: Path,
    serve: Serve,
    make_bundle: Callable[..., Bundle],
    sqlite_record: Record,
    monkeypatch: pytest.MonkeyPatch,
    has_facts: bool,
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    second = make_bundle(version="2")
    if has_facts:
        with_facts(second)
    decided = repository / "parts" / "active.json"
    decided.write_bytes(Activation.now("1", None, None).json_bytes())
    async with serve(record=sqlite_record, repository_poll_s=0.02) as client:

        async def streams() -> list[tuple[str, bool, int]]:
            found = (await get(client, "/v1/watch"))["streams"]
            return [(one["version"], one["active"], one["pictures"]) for one in found]

        async def until_streams(*wanted: tuple[str, bool, int]) -> None:
            async def there() -> bool:
                return await streams() == list(wanted)

            await eventually(there)

        for at in range(5):
            await inspect(client, encoded(1000 + at))
        await until_streams(("1", True, 5))
        decided.write_bytes(Activation.now("2", "1", "taught").json_bytes())

        async def is_followed() -> bool:
            return (await get(client, "/v1/models/parts"))["active"] == "2"

        await eventually(is_followed)
        assert await streams() == [("1", False, 5)]
        assert (await inspect(client, encoded(2000)))["version"] == "2"
        await until_streams(*([("2", True, 1)] if has_facts else []))
        (promise,) = (await get(client, "/v1/watch"))["promises"]
        assert (promise["version"], promise["parts"]) == ("2", 1)
        query = {"model": "parts", "version": "2"}
        course = await get(client, "/v1/watch/facts/brightness", **query)
        assert course["pictures"] == int(has_facts)


async def test_pictures_and_an_activation_within_one_turn_leave_the_watch_with_what_answers(
    watched_bundle: Bundle,
    serve: Serve,
    make_bundle: Callable[..., Bundle],
    sqlite_record: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    with_facts(make_bundle(version="2"))
    turn, held = RecordWatcher.turn, True
    nothing = WatchTurn(0, 0, False)
    monkeypatch.setattr(RecordWatcher, "turn", lambda one: nothing if held else turn(one))
    async with serve(record=sqlite_record) as client:
        await client.post("/v1/models/parts/versions/1/activate")
        for at in range(5):
            await inspect(client, encoded(1000 + at))
        await client.post("/v1/models/parts/versions/2/activate")
        await inspect(client, encoded(2000))

        async def recorded() -> bool:
            return len((await get(client, "/v1/inspections"))["inspections"]) == 6

        await eventually(recorded)
        held = False

        async def gone_over() -> bool:
            found = (await get(client, "/v1/watch"))["streams"]
            return [(one["version"], one["pictures"]) for one in found] == [("2", 1)]

        await eventually(gone_over)


async def test_marks_stand_on_the_time_line(serve: Serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record) as client:
        answer = await client.post(
            "/v1/watch/marks",
            json={"kind": "maintenance", "station": "left", "note": "lens cleaned"},
        )
        assert answer.status_code == 200, answer.text
        elsewhere = await get(client, "/v1/watch/marks", station="right")
        assert elsewhere["marks"] == []
        (mark,) = (await get(client, "/v1/watch/marks", station="left"))["marks"]
        assert (mark["kind"], mark["note"]) == ("maintenance", "lens cleaned")


async def test_an_alarm_that_is_not_there_is_told(serve: Serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record) as client:
        for answer in (
            await client.get("/v1/watch/alarms/17"),
            await client.post("/v1/watch/alarms/17/acknowledge", json={}),
            await client.post("/v1/watch/alarms/17/snooze", json={"hours": 1}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "alarm_not_found")


async def test_a_bundle_without_facts_says_what_adds_them(
    serve: Serve, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await inspect(client, encoded(1))

        async def recorded() -> bool:
            return bool((await get(client, "/v1/inspections"))["inspections"])

        await eventually(recorded)
        answer = await client.get("/v1/inspections/1/facts")
        assert answer.status_code == 404
        assert "takt calibrate" in answer.json()["detail"]
