"""Changes through the server and beside it, in the audit log and at `GET /v1/audit`."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.core.bundles.thresholds import OVERRIDES
from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import Head
from takt.recording.audit.verify import check_chain
from takt.recording.record import Record
from takt.security import followed_files
from tests.api.keys import KEYS, bearer, file_without
from tests.recorded import insert_inspections

THRESHOLD = "/v1/models/parts/threshold"
AUDIT = "/v1/audit"
OPERATOR = bearer("engineer")


async def entries(client: httpx.AsyncClient, *actions: str, **headers: str) -> list[dict[str, Any]]:
    """The entries of these actions, the newest first."""
    answer = await client.get(AUDIT, headers=headers or OPERATOR)
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["entries"] if one["action"] in actions]


async def eventually(
    client: httpx.AsyncClient, *actions: str, count: int = 1
) -> list[dict[str, Any]]:
    """The entries of these actions, once there are so many."""
    async with asyncio.timeout(60):
        while len(found := await entries(client, *actions)) < count:
            await asyncio.sleep(0.01)
    return found


def audit_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [
        (one.takt_event, one.takt_facts)  # type: ignore[attr-defined]
        for one in caplog.records
        if one.name == "takt.audit"
    ]


@contextmanager
def locked(record: Record) -> Iterator[None]:
    """The database, locked by another program meanwhile."""
    file = record.pictures.folder.parent / "record.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_a_threshold_that_was_changed_is_an_entry_and_its_head_is_in_the_log(
    serve, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "takt.audit")
    async with serve(record=record, keys=KEYS) as client:
        body = {"image": 0.9, "reason": "new lamp"}
        answer = await client.put(THRESHOLD, json=body, headers=OPERATOR)
        assert answer.status_code == 200
        (entry,) = await entries(client, "threshold_changed")
        await client.delete(THRESHOLD, headers=OPERATOR)
        back, _ = await entries(client, "threshold_changed")

    named = ("who", "model", "version", "old", "new", "reason", "client")
    assert {name: entry[name] for name in named} == {
        "who": "engineer",
        "model": "parts",
        "version": "1",
        "old": {"image": 0.5, "pixel": 0.5, "undecided": False},
        "new": {"image": 0.9, "pixel": 0.5, "undecided": False},
        "reason": "new lamp",
        "client": "127.0.0.1",
    }
    assert (back["old"], back["new"], back["reason"]) == (entry["new"], entry["old"], None)
    (facts,) = [f for n, f in audit_lines(caplog) if f.get("reason") == "new lamp"]
    assert (facts["audit_seq"], facts["audit_hash"]) == (entry["seq"], entry["hash"])
    assert facts["request_id"] == answer.json()["request_id"]
    heads = [Head(f["audit_seq"], f["audit_hash"]) for _, f in audit_lines(caplog)]
    check = check_chain(entries_of(record.database), heads)
    assert (check.findings, check.count) == ([], len(heads))


async def test_an_activation_and_a_rollback_are_entries(
    serve, make_bundle, sqlite_record: Record
) -> None:
    make_bundle(version="2")
    async with serve(record=sqlite_record, keys=KEYS) as client:
        path = "/v1/models/parts/versions/1/activate"
        await client.post(path, json={"reason": "the old lamp"}, headers=OPERATOR)
        await client.post("/v1/models/parts/rollback", headers=OPERATOR)
        back, there = await entries(client, "version_activated")
    assert (there["old"], there["new"], there["version"]) == ({"active": "2"}, {"active": "1"}, "1")
    assert (there["who"], there["reason"]) == ("engineer", "the old lamp")
    assert (back["old"], back["new"]) == ({"active": "1"}, {"active": "2"})


async def test_a_start_and_an_end_are_entries_without_secrets(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await eventually(client, "models_loaded")
    async with serve(record=sqlite_record, keys=KEYS, max_queue_size=7) as client:
        (changed,) = await eventually(client, "settings_changed")
        started, _ = await entries(client, "server_started")
        loaded, _ = await eventually(client, "models_loaded", count=2)
        assert len(await entries(client, "server_stopped")) == 1
    assert (changed["old"], changed["new"]) == ({"max_queue_size": 256}, {"max_queue_size": 7})
    assert changed["who"] == "server"
    assert started["new"]["settings"]["keys"] == "***"
    assert started["new"]["keys"]["engineer"]["scopes"] == ["operate"]
    version = loaded["new"]["models"]["parts"]["versions"]["1"]
    assert len(version["digest"]) == 64 and version["image"] == 0.5
    text = json.dumps([one.new for one in entries_of(sqlite_record.database)])
    assert "sha256" not in text and "takt_" not in text


async def test_keys_that_change_under_a_running_server_are_entries(
    serve, sqlite_record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_files, "LOOK_EVERY_S", 0.01)
    file = tmp_path / "keys.toml"
    file.write_bytes(file_without("camera"))
    async with serve(record=sqlite_record, keys_file=file) as client:
        file.write_bytes(file_without("scraper"))
        (added,) = await eventually(client, "key_added")
        (revoked,) = await eventually(client, "key_revoked")
    assert (added["who"], added["new"]["name"], added["new"]["scopes"]) == (
        "file",
        "camera",
        ["inspect"],
    )
    assert (revoked["old"]["name"], revoked["new"]) == ("scraper", None)


async def test_versions_and_thresholds_that_change_beside_the_server_are_entries(
    serve, make_bundle, repository: Path, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record, keys=KEYS, repository_poll_s=0.01) as client:
        make_bundle(version="2")
        (added,) = await eventually(client, "version_added")
        override = {"image": {"value": 0.7, "set_at": "2026-01-01T00:00:00Z", "reason": "by hand"}}
        (repository / "parts" / "1" / OVERRIDES).write_text(json.dumps(override))
        (changed,) = await eventually(client, "threshold_changed")
        (repository / "parts" / "2").rename(repository.parent / "former")
        make_bundle(version="2", framework="another")
        (replaced,) = await eventually(client, "version_changed")
        decision = {"active": "2", "previous": "1", "activated_at": "now", "reason": "by copy"}
        (repository / "parts" / "active.json").write_text(json.dumps(decision))
        (activated,) = await eventually(client, "version_activated")
        # At once: file by file, the threshold would go back before the version goes.
        (repository / "parts" / "1").rename(repository.parent / "gone")
        (removed,) = await eventually(client, "version_removed")
    assert (added["who"], added["model"], added["version"]) == ("folder", "parts", "2")
    assert (changed["who"], changed["reason"]) == ("file", "by hand")
    assert (changed["old"]["image"], changed["new"]["image"]) == (0.5, 0.7)
    assert replaced["old"]["digest"] == added["new"]["digest"] != replaced["new"]["digest"]
    assert (activated["who"], activated["reason"]) == ("file", "by copy")
    assert removed["old"]["image"] == 0.7


async def test_a_locked_database_holds_up_no_change_and_the_entry_follows(
    serve, sqlite_record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "takt.audit")
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await eventually(client, "models_loaded")
        with locked(sqlite_record):
            answer = await client.put(THRESHOLD, json={"image": 0.9}, headers=OPERATOR)
            assert answer.status_code == 200
            assert await waiting(client) == 1
            model = await client.get("/v1/models/parts", headers=bearer("scraper"))
            assert model.json()["versions"][0]["thresholds"]["image"] == 0.9
            assert await entries(client, "threshold_changed") == []
            (facts,) = [f for n, f in audit_lines(caplog) if n == "threshold_changed"]
            assert facts["audit_seq"] is None and facts["new"]["image"] == 0.9
        (entry,) = await eventually(client, "threshold_changed")
        # It is counted a moment after it can be read.
        while await waiting(client):
            pass
    ((_, stored),) = [line for line in audit_lines(caplog) if line[0] == "entry_stored"]
    assert (stored["audit_seq"], stored["audit_hash"]) == (entry["seq"], entry["hash"])


async def waiting(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics", headers=bearer("scraper"))).text
    (line,) = [one for one in text.splitlines() if one.startswith("takt_audit_entries_waiting ")]
    return float(line.split()[1])


async def test_the_log_is_read_page_by_page(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await eventually(client, "models_loaded")
        for level in (0.6, 0.7, 0.8):
            await client.put(THRESHOLD, json={"image": level}, headers=OPERATOR)
        seen, before = [], None
        while True:
            query = {"limit": 2} | ({"before": before} if before else {})
            page = (await client.get(AUDIT, params=query, headers=OPERATOR)).json()
            seen += [one["seq"] for one in page["entries"]]
            before = page["before"]
            if before is None:
                break
    assert seen == [5, 4, 3, 2, 1]


async def test_entries_are_asked_for_by_time_model_and_inspection(
    serve, sqlite_record: Record
) -> None:
    (number,) = insert_inspections(sqlite_record, [{}])
    said = {"ids": [number], "judgement": "good"}
    async with serve(record=sqlite_record, keys=KEYS) as client:

        async def found(**query: object) -> list[str]:
            page = (await client.get(AUDIT, params=query, headers=OPERATOR)).json()
            return [one["action"] for one in page["entries"]]

        await eventually(client, "models_loaded")
        path = "/v1/inspections/judgements"
        assert (await client.post(path, json=said, headers=bearer("reviewer"))).status_code == 200
        await client.put(THRESHOLD, json={"image": 0.9}, headers=OPERATOR)
        assert await found(model="parts") == ["threshold_changed"]
        assert await found(inspection=number) == ["inspections_judged"]
        assert await found(inspection=number + 1) == []
        assert await found(since="-1h", model="parts") == ["threshold_changed"]
        assert await found(until="-1h") == []


async def test_every_entry_of_a_server_says_which_server_it_was_and_is_counted(
    serve, sqlite_record: Record
) -> None:
    (number,) = insert_inspections(sqlite_record, [{}])
    async with serve(record=sqlite_record, port=8123) as client:
        await eventually(client, "models_loaded")
        said = {"ids": [number], "judgement": "good"}
        await client.post("/v1/inspections/judgements", json=said)
        view = {"name": "top", "model": "parts", "thresholds": {"image": 0.5, "pixel": 0.5}}
        recipe = {"number": 7, "deadline_ms": 1000, "views": [view]}
        assert (await client.put("/v1/recipes/bracket", json=recipe)).status_code == 200
        assert (await client.put(THRESHOLD, json={"image": 0.9})).status_code == 200
        found = (await client.get(AUDIT)).json()["entries"]
        metrics = (await client.get("/metrics")).text
    assert f'takt_audit_entries_total{{outcome="stored"}} {len(found):.1f}' in metrics
    made = {one["action"] for one in found}
    assert made > {"inspections_judged", "recipe_changed", "threshold_changed"}
    (server,) = {one["server"] for one in found}
    assert server.endswith(":8123")


async def test_the_log_is_taken_away_as_a_table(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await eventually(client, "models_loaded")
        for level in (0.6, 0.7):
            body = {"image": level, "reason": "new lamp"}
            await client.put(THRESHOLD, json=body, headers=OPERATOR)
        query = {"format": "csv", "model": "parts"}
        file = await client.get(AUDIT, params=query, headers=OPERATOR)
        refused = await client.get(AUDIT, params=query, headers=bearer("scraper"))
        page = await client.get(AUDIT, params=query | {"limit": 1}, headers=OPERATOR)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert [(line["action"], line["reason"]) for line in lines] == [
        ("threshold_changed", "new lamp")
    ] * 2
    assert json.loads(lines[0]["new"])["image"] == 0.7
    assert refused.status_code == 403
    assert (page.status_code, "leave out before and limit" in page.text) == (422, True)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "before=0", "before=x", "since=now", "inspection=0", "models=parts"],
)
async def test_a_page_out_of_range_is_refused(serve, sqlite_record: Record, query: str) -> None:
    async with serve(record=sqlite_record) as client:
        answer = await client.get(f"{AUDIT}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


async def test_a_server_without_a_record_says_so(serve) -> None:
    async with serve() as client:
        answer = await client.get(AUDIT)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_record")


async def test_who_reads_metrics_does_not_read_who_did_what(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        for name in ("scraper", "camera"):
            answer = await client.get(AUDIT, headers=bearer(name))
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_an_entry_that_somebody_has_damaged_is_shown_as_it_is(
    serve, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await eventually(client, "models_loaded")
        with sqlite_record.database.writing() as connection:
            connection.exec_driver_sql("UPDATE audit SET new = 'no json' WHERE seq = 1")
        answer = await client.get(AUDIT)
    assert answer.json()["entries"][-1]["new"] == {"damaged": "no json"}


@pytest.mark.parametrize("cut", ["DELETE FROM audit", "DELETE FROM audit WHERE seq > 1"])
async def test_a_start_on_a_cut_audit_log_serves_and_says_so(
    serve, record: Record, cut: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(record=record) as client:
        await eventually(client, "models_loaded")
        metrics = (await client.get("/metrics")).text
        assert "takt_audit_broken 0.0" in metrics
    with record.database.writing() as connection:
        connection.exec_driver_sql(cut)
    caplog.clear()
    async with serve(record=record) as client:
        async with asyncio.timeout(60):
            while "takt_audit_broken 1.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.01)
        assert (await client.get("/health/ready")).status_code == 200
        async with asyncio.timeout(60):
            while "TaktAuditBroken" not in (await client.get("/v1/status")).text:
                await asyncio.sleep(0.05)
        help_ = (await client.get("/v1/status/conditions/TaktAuditBroken")).json()
        assert "takt audit accept" in help_["sections"][0]["text"]
    assert "the audit log is not as it was written" in caplog.text
