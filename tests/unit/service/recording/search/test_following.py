"""New inspections are found once, in whatever order they come in."""

from __future__ import annotations

from service.recording.record import Record
from service.recording.search.filters import Filters
from service.recording.search.following import Follower
from tests.recorded import NOON_US, insert_inspections


def new(record: Record, follower: Follower) -> list[int]:
    with record.database.reading() as connection:
        return [one.id for one in follower.new(connection)]


def test_only_what_came_since_is_new(record: Record) -> None:
    insert_inspections(record, [{"station": "north"}] * 3)
    with record.database.reading() as connection:
        follower = Follower(connection, Filters(station="north"))
    assert new(record, follower) == []
    # Newer by its number, older by its time.
    late, _, last = insert_inspections(
        record,
        [{"station": "north", "at_us": NOON_US - 1}, {"station": "south"}, {"station": "north"}],
    )
    assert new(record, follower) == [late, last]
    assert new(record, follower) == []


def test_a_lower_number_that_comes_in_later_is_new_as_well(record: Record) -> None:
    with record.database.reading() as connection:
        follower = Follower(connection, Filters())
    insert_inspections(record, [{"id": 7}])
    assert new(record, follower) == [7]
    insert_inspections(record, [{"id": 6}])
    assert new(record, follower) == [6]
    assert new(record, follower) == []
