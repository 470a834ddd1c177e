"""Parts whose views come to several workers: they are open in the one that leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import Record
from takt.settings import Settings
from tests.api.apps import until
from tests.api.multiview.conftest import RECIPE, save, send
from tests.api.together.conftest import ServeTogether
from tests.linked import Link, working


@pytest.fixture
def good(picture_bytes) -> bytes:
    return picture_bytes(50)


async def test_views_of_one_part_may_come_to_any_worker(
    serve_together: ServeTogether, good, bad_part
) -> None:
    async with serve_together(recorded=True) as (leader, other):
        await save(other.client)
        first = await send(other.client, "A", "top", good)
        assert (first.status_code, first.json()["result"]) == (200, None)
        twice = await send(leader.client, "A", "top", good)
        assert (twice.status_code, twice.json()["code"]) == (409, "view_taken")
        for worker in (leader, other):
            found = (await worker.client.get("/v1/parts/A")).json()["part"]
            assert [one["state"] for one in found["views"]] == ["inspected", "waiting"]
        last = (await send(leader.client, "A", "side", bad_part)).json()
        assert (last["number"], last["result"]["verdict"]) == (first.json()["number"], "defect")
        ended = (await other.client.get("/v1/parts/A")).json()["part"]
        assert ended["result"]["verdict"] == "defect"
        late = await send(other.client, "A", "side", good)
        assert (late.status_code, late.json()["code"]) == (409, "part_ended")


async def test_another_worker_ends_a_part_and_waits_for_its_result(
    serve_together: ServeTogether, good
) -> None:
    async with serve_together(recorded=True) as (leader, other):
        await save(leader.client)
        await send(leader.client, "A", "top", good)
        asked = other.client.get("/v1/parts/A", params={"wait_ms": 30_000})
        waiting = asyncio.create_task(asked)
        ended = await other.client.post("/v1/parts/A/end")
        assert ended.json()["part"]["result"]["reason"] == "missing_view"
        found = (await waiting).json()["part"]
        assert found["result"]["ended_by"] == "end"
        unknown = await other.client.post("/v1/parts/B/end")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "part_not_found")


async def test_a_view_that_another_worker_could_not_inspect_may_be_sent_again(
    serve_together: ServeTogether, good
) -> None:
    async with serve_together(recorded=True) as (leader, other):
        await save(leader.client)
        assert (await send(other.client, "A", "top", b"no picture")).status_code >= 400
        async with asyncio.timeout(60):
            while (await send(leader.client, "A", "top", good)).status_code != 200:
                await asyncio.sleep(0)


async def test_a_recipe_that_one_worker_has_saved_is_in_force_in_the_one_that_leads(
    serve_together: ServeTogether, good
) -> None:
    async with serve_together(recorded=True) as (leader, other):
        await save(leader.client)
        await send(leader.client, "A", "top", good)
        by_hand = {"image": 0.1, "pixel": 0.1}
        await save(
            other.client, views=[{**view, "thresholds": by_hand} for view in RECIPE["views"]]
        )
        assert (await send(leader.client, "B", "top", good)).json()["revision"] == 2
        assert (await send(other.client, "A", "side", good)).json()["revision"] == 1


async def test_while_no_worker_leads_a_view_is_to_be_sent_again(
    serve_together: ServeTogether, good, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.peers._AGAIN_S", 0.001)
    async with serve_together(recorded=True) as (leader, other):
        await save(leader.client)
        leader.peers.leading.clear()
        refused = await send(other.client, "A", "top", good)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        other.peers.leading.set()
        assert (await send(leader.client, "A", "top", good)).status_code == 200


async def test_a_view_that_comes_as_the_worker_that_leads_ends_is_taken_by_the_next_one(
    settings: Callable[..., Settings],
    bundle: Bundle,
    new_record: Callable[[], Record],
    good: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("takt.peers._TRIES", 10_000)
    link, opened = Link(2), lambda _: FakeEngine()
    async with working(settings(), link.join(leads=False), opened, new_record()) as other:
        async with working(settings(), link.join(leads=True), opened, new_record()) as leader:
            await save(leader.client)
            lifetime = foundation_of(leader.app).lifetime
            end = lifetime.end

            async def end_while_a_view_comes() -> None:
                sending.append(asyncio.create_task(send(other.client, "A", "top", good)))
                await until(
                    lambda: (other.peers.worker, "part") in {told[:2] for told in link.told[known:]}
                )
                await end()

            sending: list[asyncio.Task[httpx.Response]] = []
            known = len(link.told)
            monkeypatch.setattr(lifetime, "end", end_while_a_view_comes)
        other.peers.leading.set()
        first = await sending[0]
        assert first.status_code == 200, first.text
        last = (await send(other.client, "A", "side", good)).json()
        assert last["number"] == first.json()["number"]
        assert last["result"]["verdict"] == "good"


async def test_recipes_that_another_server_on_the_same_record_changes_are_followed(
    serve_together: ServeTogether, good, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.multiview.book.LOOK_EVERY_S", 0.01)
    async with (
        serve_together(1, recorded=True) as (one,),
        serve_together(1, recorded=True) as (another,),
    ):
        await save(one.client)
        async with asyncio.timeout(60):
            while (await send(another.client, "A", "top", good)).status_code != 200:
                await asyncio.sleep(0.01)
