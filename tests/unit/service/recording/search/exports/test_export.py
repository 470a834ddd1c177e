"""Exports: every inspection once, in types that analyses can rely on."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest

from takt.core.errors import ConfigurationError
from takt.recording.record import Record
from takt.recording.search.exports import export as exporting
from takt.recording.search.exports import parquet
from takt.recording.search.exports.csv_format import harmless
from takt.recording.search.exports.export import Export, exported
from takt.recording.search.filters import ExportFormat, Filters
from takt.recording.search.pages import inspection_of
from takt.recording.search.stored import COLUMNS
from tests.recorded import NOON_US, insert_inspections

FULL: dict[str, Any] = {
    "anomalous": True,
    "percentile": None,
    "regions": '[{"box":[1,2,3,4],"area":9,"peak":0.75}]',
    "warnings": "other_size,small_picture",
    "sha256": bytes(range(32)),
    "tags": '{"shift":"early","note":"a;=1+1"}',
    "part": '=HYPERLINK("http://evil.example")',
    "lot": 'L "1",\n2',
    "judgement": "defect",
    "judged_at_us": NOON_US + 1,
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", 3)
    monkeypatch.setattr(parquet, "_GROUP", 5)


def whole(record: Record, wanted: ExportFormat, filters: Filters | None = None) -> bytes:
    return b"".join(exported(record.database, Export(filters or Filters(), wanted)))


def test_every_format_has_every_wanted_inspection_once(record: Record) -> None:
    ids = insert_inspections(
        record, [{"at_us": NOON_US + number, "score": number / 10} for number in range(11)]
    )
    wanted = Filters(score_min=0.2)
    expected = ids[:1:-1]
    lines = list(csv.DictReader(io.StringIO(whole(record, "csv", wanted).decode(), newline="")))
    assert [int(line["id"]) for line in lines] == expected
    objects = [json.loads(line) for line in whole(record, "jsonl", wanted).splitlines()]
    assert [one["id"] for one in objects] == expected
    table = pq.read_table(io.BytesIO(whole(record, "parquet", wanted)))
    assert table["id"].to_pylist() == expected


@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
def test_an_export_of_nothing_is_a_whole_file(sqlite_record: Record, wanted: ExportFormat) -> None:
    data = whole(sqlite_record, wanted)
    names = [column.name for column in COLUMNS]
    if wanted == "csv":
        assert data.decode().strip().split(",") == names
    elif wanted == "jsonl":
        assert data == b""
    else:
        assert pq.read_table(io.BytesIO(data)).column_names == names


def test_parquet_has_the_values_that_were_stored(record: Record) -> None:
    (number,) = insert_inspections(record, [FULL])
    with record.database.reading() as connection:
        stored = inspection_of(connection, number)
    table = pq.read_table(io.BytesIO(whole(record, "parquet")))
    (row,) = table.to_pylist()
    assert row["at"] == stored.at and row["judged_at"] == stored.judged_at
    assert row["regions"] == [{"box": [1, 2, 3, 4], "area": 9, "peak": 0.75}]
    assert row["warnings"] == ["other_size", "small_picture"]
    assert dict(row["tags"]) == stored.tags
    assert row["part"] == FULL["part"] and row["percentile"] is None and row["anomalous"] is True
    field = table.schema.field("total_ms")
    assert field.metadata == {
        b"meaning": b"Time from the first byte to the answer.",
        b"unit": b"ms",
    }


def test_a_csv_is_read_back_as_texts(record: Record) -> None:
    insert_inspections(record, [FULL])
    (line,) = csv.DictReader(io.StringIO(whole(record, "csv").decode(), newline=""))
    assert line["lot"] == FULL["lot"]
    assert line["at"] == "2026-03-01T12:00:00.000000Z" and line["anomalous"] == "true"
    assert line["percentile"] == "" and line["warnings"] == "other_size small_picture"
    assert json.loads(line["regions"]) == json.loads(FULL["regions"])


def test_no_text_of_a_caller_is_a_formula_in_a_spreadsheet(sqlite_record: Record) -> None:
    begins = ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "'=1"]
    insert_inspections(sqlite_record, [{"part": text, "station": f"a;{text}"} for text in begins])
    insert_inspections(sqlite_record, [FULL])
    for line in csv.DictReader(io.StringIO(whole(sqlite_record, "csv").decode(), newline="")):
        for name in ("part", "station", "tags"):
            for separator in ",;|\n\r\t":
                cells = line[name].split(separator)
                assert not [one for one in cells if one[:1] in "=+-@＝" and one]


@pytest.mark.parametrize("text", ["", "P-17", "a=b", "x@y", "12.5", "lot 3; part 4"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_parquet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        Export(Filters(), "parquet")


def test_between_two_parts_nothing_is_held(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_inspections(sqlite_record, [{"at_us": NOON_US + number} for number in range(9)])
    parts = exported(sqlite_record.database, Export(Filters(), "jsonl"))
    first = next(parts)
    assert sqlite_record.database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    insert_inspections(sqlite_record, [{"at_us": NOON_US + 100}])
    assert len((first + b"".join(parts)).splitlines()) == 9
