"""Which bundles a record needs, in SQLite and PostgreSQL."""

from __future__ import annotations

from takt.recording.needs import Need, needs_of
from takt.recording.record import Record
from tests.recorded import SOURCE, insert_inspections


def test_a_bundle_is_needed_for_kept_pictures_and_for_judgements(record: Record) -> None:
    digest = SOURCE["digest"]
    with record.database.reading() as connection:
        assert needs_of(connection) == {}
    insert_inspections(record, [{}, {"kept": "sample"}])
    with record.database.reading() as connection:
        assert needs_of(connection) == {}
    insert_inspections(
        record,
        [
            {"kept": "reject", "picture": True},
            {"kept": "reject", "picture": True, "judgement": "defect", "judged_at_us": 1},
            {"model": "nut", "judgement": "good", "judged_at_us": 1},
        ],
    )
    with record.database.reading() as connection:
        assert needs_of(connection) == {digest: Need(pictures=2, judged=2)}
        assert needs_of(connection, digest) == needs_of(connection)
        assert needs_of(connection, "0b" * 32) == {}
