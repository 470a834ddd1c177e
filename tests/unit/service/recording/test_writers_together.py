"""Processes that record into one database and folder: nothing is lost, and nothing stored twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from sqlalchemy import select

from takt.recording.record import Record
from takt.recording.tables import inspections, sources

_WRITERS, _EACH = 3, 2000

_WRITER = """
import json, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from takt.observing.records import Asked
from takt.recording.keeping import KeepingRule
from takt.recording.metrics import RecordMetrics
from takt.recording.record import open_record
from takt.recording.retention import RetentionRule
from takt.recording.writer import Recorder
from tests.unit.service.recording.test_writer import answer
folder, url, name, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
registry = CollectorRegistry()
recorder = Recorder(
    open_record(folder, url),
    KeepingRule.read("rejects"),
    RetentionRule.read("days=90"),
    RecordMetrics(registry),
    every_s=0.001,
)
print("ready", flush=True)
sys.stdin.readline()
recorder.start()
for number in range(count):
    # The pictures are the same in every process.
    picture = b"\\xff\\xd8 %d" % (number % 50)
    recorder.note(answer(0.7, f"{name}-{number}"), Asked(picture))
recorder.close(60)
value = lambda outcome: registry.get_sample_value(
    "takt_record_inspections_total", {"outcome": outcome}
)
print(json.dumps([value("stored"), value("lost")]))
"""


@pytest.mark.slow
def test_processes_that_record_into_one_new_record_at_once_lose_nothing(record: Record) -> None:
    folder = record.pictures.folder.parent
    url = record.database._engine.url.render_as_string(hide_password=False)
    named = "sqlite" if record.database.is_sqlite else url
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder), named, f"w{number}", str(_EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(_WRITERS)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]

    assert told == [[_EACH, 0]] * _WRITERS
    with record.database.reading() as connection:
        rows = connection.execute(select(inspections.c.request_id, inspections.c.picture)).all()
        assert len(connection.execute(select(sources)).all()) == 1
    found = Counter(row.request_id.partition("-")[0] for row in rows)
    assert found == {f"w{number}": _EACH for number in range(_WRITERS)}
    assert len({row.request_id for row in rows}) == len(rows) and all(row.picture for row in rows)
    assert len(list(record.pictures.files())) == 50
