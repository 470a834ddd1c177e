"""A server of an older release on a record that a newer one has brought up to date."""

from __future__ import annotations

import asyncio

import pytest

from takt.recording.record import Record, open_record


async def test_a_server_older_than_its_record_answers_records_nothing_and_says_so(
    serve, sqlite_record: Record, bad_part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite_record.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    older = open_record(sqlite_record.folder, "sqlite")
    assert older is not None
    async with serve(record=older) as client:
        answer = await client.post("/v1/models/parts/inspect", content=bad_part)
        assert answer.status_code == 200 and answer.json()["anomalous"]
        assert (await client.get("/health/ready")).status_code == 200
        async with asyncio.timeout(60):
            while "takt_record_newer 1.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.01)
            while "TaktRecordNewer" not in (await client.get("/v1/status")).text:
                await asyncio.sleep(0.05)
        help_ = (await client.get("/v1/status/conditions/TaktRecordNewer")).json()
        assert "takt restore" in help_["sections"][0]["text"]
        asked = await client.get("/v1/inspections")
        assert asked.status_code == 503
        assert "newer release" in asked.json()["detail"] and "backup" in asked.json()["detail"]
        # Another threshold holds, is in the log, and waits for no record.
        changed = await client.put("/v1/models/parts/threshold", json={"image": 0.4})
        assert changed.status_code == 200, changed.text
    assert "by a newer release" in caplog.text and "nothing is recorded" in caplog.text
    assert list(sqlite_record.pictures.files()) == []
    with sqlite_record.database.reading() as connection:
        for table in ("inspections", "audit"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
