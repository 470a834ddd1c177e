"""Thresholds that are changed at one worker hold in all of them, and are told of once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.api.together.conftest import ServeTogether
from tests.api.together.seen import audited, counted
from tests.good_parts import with_good_facts
from tests.linked import Link, Worker, working

THRESHOLD = "/v1/models/parts/threshold"


def in_force(worker: Worker) -> tuple[float, float]:
    thresholds = foundation_of(worker.app).models.repository.get("parts").thresholds
    return thresholds.in_force.image, thresholds.in_force.pixel


def refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("takt.core.bundles.thresholds.write_atomically", read_only)


@pytest.mark.parametrize("asked", [0, 1])
async def test_a_threshold_is_in_force_everywhere_before_the_answer_goes_out(
    serve_together: ServeTogether, bad_part: bytes, asked: int
) -> None:
    async with serve_together(3) as workers:
        answer = await workers[asked].client.put(
            THRESHOLD, json={"image": 0.9, "pixel": 0.9, "reason": "lamp"}
        )
        assert answer.status_code == 200
        body = answer.json()
        assert (body["old"]["image"], body["new"]["image"]) == (0.5, 0.9)
        assert body["request_id"] == answer.headers["x-request-id"]
        for worker in workers:
            seen = (await worker.client.post("/v1/models/parts/inspect", content=bad_part)).json()
            assert (seen["threshold"], seen["anomalous"]) == (0.9, False)
            (shown,) = (await worker.client.get("/v1/models/parts")).json()["versions"]
            assert shown["thresholds"]["origin"]["image"]["reason"] == "lamp"
        await workers[2].client.delete(THRESHOLD)
        assert {in_force(worker) for worker in workers} == {(0.5, 0.5)}


async def test_no_decision_is_switched_on_in_every_worker_before_the_answer_goes_out(
    serve_together: ServeTogether, bundle: Bundle, picture_bytes: Callable[..., bytes]
) -> None:
    with_good_facts(bundle)
    async with serve_together(3) as workers:
        answer = await workers[1].client.put(THRESHOLD, json={"undecided": True})
        assert answer.status_code == 200, answer.text
        for worker in workers:
            seen = await worker.client.post("/v1/models/parts/inspect", content=picture_bytes(1))
            assert seen.json()["verdict"] == "undecided"


async def test_a_change_is_counted_and_noted_once_and_is_no_change_of_the_file_afterwards(
    serve_together: ServeTogether,
) -> None:
    async with serve_together(recorded=True) as workers:
        await workers[1].client.put(THRESHOLD, json={"image": 0.9})
        for worker in workers:
            await foundation_of(worker.app).models.watch.look()
        assert await counted(workers, "takt_threshold_changes_total") == 1
        noted = await audited(workers, "threshold_changed")
        assert [(one["who"], one["new"]["image"]) for one in noted] == [("anyone", 0.9)]


async def test_a_folder_that_cannot_be_written_keeps_no_worker_from_the_change(
    serve_together: ServeTogether, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_write(monkeypatch)
    async with serve_together(recorded=True) as workers:
        body = (await workers[1].client.put(THRESHOLD, json={"image": 0.9})).json()
        assert body["persisted"] is False
        await workers[0].client.put(THRESHOLD, json={"pixel": 0.8})
        for worker in workers:
            await foundation_of(worker.app).models.watch.look()
            assert in_force(worker) == (0.9, 0.8)
    assert not (bundle.path / OVERRIDES).exists()


async def test_a_worker_that_comes_later_has_what_could_not_be_written(
    settings: Callable[..., Settings], bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_write(monkeypatch)
    link, given = Link(2), settings()

    def opened(_: object) -> FakeEngine:
        return FakeEngine()

    async with working(given, link.join(), opened) as first:
        await first.client.put(THRESHOLD, json={"image": 0.9})
        async with working(given, link.join(), opened) as second:
            assert in_force(second) == (0.9, 0.5)
            await first.client.delete(THRESHOLD)
            assert in_force(second) == (0.5, 0.5)


async def test_a_worker_that_was_loading_has_what_was_written_meanwhile(
    settings: Callable[..., Settings], bundle: Bundle
) -> None:
    link, given = Link(2), settings()
    engine = FakeEngine()
    engine.gate.clear()

    async with working(given, link.join(), lambda _: FakeEngine()) as first:
        starting = working(given, link.join(), lambda _: engine)
        start = asyncio.create_task(starting.__aenter__())
        async with asyncio.timeout(60):
            while not engine.batch_sizes:  # it has read its thresholds, and proves itself
                await asyncio.sleep(0.001)
        assert (await first.client.put(THRESHOLD, json={"image": 0.9})).status_code == 200
        engine.gate.set()
        second = await start
        try:
            assert in_force(second) == (0.9, 0.5)
        finally:
            await starting.__aexit__(None, None, None)


async def test_changes_at_two_workers_at_once_both_hold_everywhere(
    serve_together: ServeTogether, bundle: Bundle
) -> None:
    async with serve_together() as workers:
        await asyncio.gather(
            *(
                worker.client.put(THRESHOLD, json={kind: value})
                for value in (0.7, 0.8, 0.9)
                for worker, kind in zip(workers, ("image", "pixel"), strict=True)
            )
        )
        assert in_force(workers[0]) == in_force(workers[1])
        await foundation_of(workers[1].app).models.watch.look()
        assert in_force(workers[0]) == in_force(workers[1])


@pytest.mark.parametrize(
    ("url", "body", "status", "code"),
    [
        ("/v1/models/none/threshold", {"image": 1}, 404, "model_not_found"),
        ("/v1/models/parts/versions/9/threshold", {"image": 1}, 404, "model_not_found"),
        (THRESHOLD, {}, 422, "invalid_parameter"),
    ],
)
async def test_what_is_refused_is_refused_as_by_a_single_process(
    serve_together: ServeTogether, url: str, body: Any, status: int, code: str
) -> None:
    async with serve_together() as workers:
        refused = await workers[1].client.put(url, json=body)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_file_that_the_leader_cannot_understand_is_told_by_the_worker_that_was_asked(
    serve_together: ServeTogether, bundle: Bundle
) -> None:
    async with serve_together() as workers:
        (bundle.path / OVERRIDES).write_text("{")
        refused = await workers[1].client.put(THRESHOLD, json={"image": 0.9})
        assert (refused.status_code, refused.json()["code"]) == (500, "invalid_bundle")
        assert "delete it to go back to the bundle's own" in refused.json()["detail"]
        assert {in_force(worker) for worker in workers} == {(0.5, 0.5)}


async def test_what_goes_wrong_at_the_leader_is_an_internal_error_at_the_worker_that_was_asked(
    serve_together: ServeTogether, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_together() as workers:

        def broken(*_: object, **__: object) -> None:
            raise ValueError("a bug")

        monkeypatch.setattr("takt.core.bundles.thresholds.DeployedThresholds.change", broken)
        refused = await workers[1].client.put(THRESHOLD, json={"image": 0.9})
        assert (refused.status_code, refused.json()["code"]) == (500, "internal_error")
        assert "a bug" not in refused.text


async def test_a_change_of_the_file_is_taken_by_all_and_noted_once(
    serve_together: ServeTogether, bundle: Bundle
) -> None:
    kept = '{"image": {"value": 0.7, "set_at": "2026-01-01T00:00:00+00:00", "reason": "shift"}}'
    async with serve_together(recorded=True) as workers:
        (bundle.path / OVERRIDES).write_text(kept)
        await foundation_of(workers[1].app).models.watch.look()
        assert {in_force(worker) for worker in workers} == {(0.7, 0.5)}
        assert await counted(workers, "takt_threshold_changes_total") == 1
        noted = await audited(workers, "threshold_changed")
        assert [(one["who"], one["reason"]) for one in noted] == [("file", "shift")]


async def test_while_no_worker_leads_a_change_waits_for_the_next_one_or_is_refused(
    serve_together: ServeTogether, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "takt.audit")
    monkeypatch.setattr("takt.peers._AGAIN_S", 0.001)
    async with serve_together() as workers:
        leader, other = workers
        leader.peers.leading.clear()
        refused = await other.client.put(THRESHOLD, json={"image": 0.9})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        assert {in_force(worker) for worker in workers} == {(0.5, 0.5)}
        other.peers.leading.set()
        assert (await leader.client.put(THRESHOLD, json={"image": 0.9})).status_code == 200
        assert {in_force(worker) for worker in workers} == {(0.9, 0.5)}
