"""Rows of a record, as tests need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import event, insert, select

from takt.recording.record import Record
from takt.recording.tables import inspections, sources

SOURCE: dict[str, Any] = {
    "digest": "0a" * 32,
    "engine": "onnxruntime on CPU",
    "variant": "",
    "runtime": "onnxruntime 1.23.2",
    "processor": "a CPU of tests",
}
NOON_US = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z."""

_TIMES = ("decode", "preprocess", "queue", "engine", "postprocess", "render")
ROW: dict[str, Any] = {
    "at_us": NOON_US,
    "model": "bolt",
    "version": "1",
    "request_id": "request",
    "protocol": "rest",
    "caller": "line3",
    "anomalous": False,
    "score": 0.25,
    "threshold": 0.5,
    "pixel_threshold": 0.5,
    "percentile": 50.0,
    "regions": None,
    "width": 64,
    "height": 48,
    "warnings": None,
    **{f"{time}_ms": 1.5 for time in _TIMES},
    "total_ms": 9.0,
    "sha256": None,
    "input_bytes": 1000,
    "input_format": "jpeg",
    "station": None,
    "part": None,
    "lot": None,
    "tags": None,
    "kept": None,
    "picture": False,
    "pinned": False,
    "judgement": None,
    "judged_at_us": None,
}
"""A good part, of which nothing is known but its answer."""


def insert_inspections(record: Record, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Store one inspection for each row, which has what differs from `ROW`.

    Returns:
        Their ids, in the order of the rows.
    """
    whole = [{**ROW, **row} for row in rows]
    with record.database.writing() as connection:
        known: dict[tuple[str, str], int] = {}
        for row in whole:
            source = row["model"], row["version"]
            if source not in known:
                values = {"model": source[0], "version": source[1], **SOURCE}
                found = select(sources.c.id).filter_by(**values)
                known[source] = connection.execute(found).scalar() or _id_of(
                    connection.execute(insert(sources).values(values))
                )
            row.setdefault("source_id", known[source])
        # At once those in a row that have the same fields: one by one takes most of many a test.
        storing = insert(inspections).returning(inspections.c.id, sort_by_parameter_order=True)
        return [
            number
            for _, alike in groupby(whole, key=lambda row: row.keys())
            for number in connection.execute(storing, [*alike]).scalars()
        ]


def _id_of(result: Any) -> int:
    (number,) = result.inserted_primary_key
    return int(number)


def only_read(record: Record) -> None:
    """Have a record's database be read from now on, and take nothing."""

    def read_only(connection: Any, _: object) -> None:
        sqlite = "PRAGMA query_only = ON"
        postgresql = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        connection.execute(sqlite if record.database.is_sqlite else postgresql)

    record.database.prepare()
    record.database.close()
    event.listen(record.database._engine, "connect", read_only)
