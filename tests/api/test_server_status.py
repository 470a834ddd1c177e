"""What `GET /v1/status` tells of a server, and of the alert conditions that hold."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.distribution import version
from takt.core.engines.fake import FakeEngine
from takt.observing.status import watch
from takt.recording.record import Record
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.watched import with_facts

REST = "/v1/models/parts/inspect"
STATUS = "/v1/status"


async def status_of(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(STATUS)
    assert answer.status_code == 200
    return answer.json()


async def conditions_of(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await status_of(client))["conditions"]}


async def test_a_server_that_nobody_has_asked_is_well(serve) -> None:
    async with serve() as client:
        found = await status_of(client)
    assert [one for one in found["conditions"] if not one["note"]] == []
    assert found["version"] == version()
    assert found["last_minute"]["answered"] == found["since_start"]["answered"] == 0
    assert {one["p99_ms"] for one in found["last_minute"]["stages"]} == {None}
    assert found["last_minute"]["refused"] == {}
    assert (found["record"], found["gpus"], found["connections"]) == (None, [], None)


async def test_the_numbers_follow_what_is_inspected(serve, picture_bytes, bad_part) -> None:
    async with serve() as client:
        for picture in (picture_bytes(50), picture_bytes(50), bad_part):
            await client.post(REST, content=picture)
        await client.post(REST, content=b"no picture")
        found = await status_of(client)
    for stretch in (found["last_minute"], found["since_start"]):
        assert (stretch["answered"], stretch["anomalous"]) == (3, 1)
        assert stretch["refused"] == {"invalid_image": 1}
        assert stretch["per_s"] == pytest.approx(3 / stretch["seconds"])
        times = {one["stage"]: one for one in stretch["stages"]}
        assert list(times) == [
            *("decode", "preprocess", "queue", "engine", "postprocess", "render", "total")
        ]
        assert 0 < times["total"]["p50_ms"] <= times["total"]["p99_ms"] <= 30_000
    (model,) = found["models"]
    assert (model["model"], model["version"], model["ready"]) == ("parts", "1", True)
    assert (model["answered"], model["anomalous"]) == (3, 1)
    assert (model["working"], model["instances"]) == (1, 1)
    assert 0 <= model["busy_share"] <= 1


async def test_times_and_sizes_are_those_of_this_server(serve) -> None:
    async with serve(max_queue_size=7, max_memory_mb=64) as client:
        async with asyncio.timeout(60):
            while not (found := await status_of(client))["disks"]:
                await asyncio.sleep(0)
    at, started = (datetime.fromisoformat(found[name]) for name in ("at", "started"))
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=60)
    assert (at - started).total_seconds() == pytest.approx(found["uptime_s"], abs=1e-3)
    assert found["queue"] == {"used": 0, "limit": 7}
    assert found["memory"]["pictures_limit"] == 64 * 2**20
    assert 2**20 < found["memory"]["process"] < found["memory"]["process_limit"]
    (disk,) = found["disks"]
    assert disk["holds"] == "models"
    assert 0 < disk["free_bytes"] < disk["total_bytes"]
    assert found["in_flight"] == 1
    points = found["points"]
    assert {len(points[name]) for name in points} == {len(points["at"])}
    assert points["at"][0] == pytest.approx(started.timestamp(), abs=5)


async def test_the_record_tells_what_it_has_stored(serve, sqlite_record: Record, bad_part) -> None:
    async with serve(record=sqlite_record) as client:
        await client.post(REST, content=bad_part)
        async with asyncio.timeout(60):
            while not (record := (await status_of(client))["record"])["stored"]:
                await asyncio.sleep(0)
    assert record["up"]
    assert (record["stored"], record["lost"], record["pictures_lost"]) == (1, 0, 0)


async def test_an_engine_that_fails_is_an_alarm_at_once(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    async with serve() as client:
        engines[0].faults = iter(["raise"])
        assert (await client.post(REST, content=picture_bytes())).status_code == 500
        found = (await conditions_of(client))["TaktEngineFailed"]
    assert (found["severity"], found["firing"], found["labels"]) == (
        "critical",
        True,
        {"model": "parts"},
    )
    assert found["text"].endswith("within 5 minutes: 1.")
    assert (found["page"], found["anchor"]) == ("docs/operations.md", "taktenginefailed")


async def test_a_full_queue_is_a_condition_that_goes_when_it_is_empty(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    async with serve(max_queue_size=2, max_batch_size=1) as client:
        engines[0].gate.clear()
        posts = [asyncio.create_task(client.post(REST, content=picture_bytes()))]
        await until(lambda: bool(engines[0].batch_sizes))
        posts += [asyncio.create_task(client.post(REST, content=picture_bytes())) for _ in range(2)]
        async with asyncio.timeout(60):
            while (await status_of(client))["queue"]["used"] < 2:
                await asyncio.sleep(0)
        for _ in range(3):
            assert (await client.post(REST, content=picture_bytes())).status_code == 429
        found = await conditions_of(client)
        assert not found["TaktPicturesRefused"]["firing"]
        assert found["TaktPicturesRefused"]["labels"] == {"model": "parts", "outcome": "queue_full"}
        engines[0].gate.set()
        await asyncio.gather(*posts)
        found = await status_of(client)
    assert found["last_minute"]["refused"] == {"queue_full": 3}
    assert found["queue"]["used"] == 0


async def test_a_version_that_cannot_be_served_is_told_with_its_name(
    serve, make_bundle, repository
) -> None:
    make_bundle("few", version="3")
    (repository / "few/3/manifest.json").write_text("{}")
    async with serve(wait=False) as client:
        async with asyncio.timeout(60):
            while "TaktModelNotReady" not in (found := await conditions_of(client)):
                await asyncio.sleep(0)
    not_ready = found["TaktModelNotReady"]
    assert not_ready["labels"]["model"] in ("few", "parts")
    assert not_ready["severity"] == "critical"
    assert not not_ready["firing"]


async def test_a_byte_that_is_flipped_in_a_served_graph_is_told_until_it_is_right_again(
    serve, bundle: Bundle, bad_part
) -> None:
    graph = bundle.path / "model.onnx"
    whole = graph.read_bytes()
    async with serve(repository_poll_s=0.02) as client:
        assert "TaktModelFilesSpoilt" not in await conditions_of(client)
        graph.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        async with asyncio.timeout(60):
            while "TaktModelFilesSpoilt" not in (found := await conditions_of(client)):
                await asyncio.sleep(0.02)
        spoilt = found["TaktModelFilesSpoilt"]
        assert spoilt["labels"] == {"model": "parts", "version": "1"}
        assert (spoilt["severity"], spoilt["note"]) == ("warning", False)
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["state"] == "ready" and "model.onnx" in version["reason"]
        assert (await client.post(REST, content=bad_part)).status_code == 200
        graph.write_bytes(whole)
        async with asyncio.timeout(60):
            while "TaktModelFilesSpoilt" in await conditions_of(client):
                await asyncio.sleep(0.02)


async def test_a_served_version_whose_folder_is_gone_is_told(serve, bundle: Bundle) -> None:
    async with serve(repository_poll_s=0.02) as client:
        (bundle.path / "manifest.json").unlink()
        async with asyncio.timeout(60):
            while "TaktModelFilesSpoilt" not in await conditions_of(client):
                await asyncio.sleep(0.02)


async def test_an_active_version_that_nobody_watches_is_a_note(
    serve, bundle: Bundle, sqlite_record: Record, make_bundle
) -> None:
    async def reasons(**options) -> set[tuple[str, str]]:
        async with serve(**options) as client:
            conditions = (await status_of(client))["conditions"]
        found = [one for one in conditions if one["name"] == "TaktModelNotWatched"]
        assert all((one["severity"], one["note"]) == ("warning", True) for one in found)
        return {(one["labels"]["version"], one["labels"]["reason"]) for one in found}

    assert await reasons() == {("1", "no_record"), ("1", "no_facts")}
    assert await reasons(record=sqlite_record) == {("1", "no_facts")}
    with_facts(bundle)
    assert await reasons(record=sqlite_record) == set()


async def test_it_needs_the_scope_read(serve) -> None:
    async with serve(keys=KEYS) as client:
        answers = {
            name: (await client.get(STATUS, headers=bearer(name))).status_code
            for name in ("camera", "engineer", "scraper", "reviewer")
        }
        stranger = await client.get(STATUS)
    assert answers == {"camera": 403, "engineer": 403, "scraper": 200, "reviewer": 403}
    assert stranger.status_code == 401


async def test_it_is_there_where_the_metrics_have_a_port_of_their_own(serve) -> None:
    async with serve(metrics_port=0) as client:
        assert (await client.get("/metrics")).status_code == 404
        assert (await status_of(client))["models"]


async def test_many_who_ask_cost_one_reading_a_second(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_FRESH_S", 3600.0)
    async with serve() as client:
        found = [await status_of(client) for _ in range(3)]
    assert len({one["uptime_s"] for one in found}) == 1


async def test_what_to_do_about_a_condition_is_told_without_the_internet(serve) -> None:
    async with serve() as client:
        answer = (await client.get(f"{STATUS}/conditions/TaktPicturesRefused")).json()
        unknown = await client.get(f"{STATUS}/conditions/TaktNonsense")
        other = await client.get(f"{STATUS}/conditions/sizing")
    assert (answer["name"], answer["page"]) == ("TaktPicturesRefused", "docs/operations.md")
    own, referred = answer["sections"]
    assert own["text"].startswith("critical, 1 min.")
    assert referred["title"] == "Pictures get 429"
    assert "Retry-After" in referred["text"]
    for refused in (unknown, other):
        assert (refused.status_code, refused.json()["code"]) == (404, "condition_not_found")
