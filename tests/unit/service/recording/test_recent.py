"""The last pictures of every station: what there is, and whose go."""

from __future__ import annotations

import random
from typing import Any

from takt.recording.recent import (
    RecentPictures,
    StationRecent,
    beyond_fair,
    recent_pictures,
)
from takt.recording.record import Record
from tests.recorded import NOON_US, insert_inspections

RECENT: dict[str, Any] = {"kept": "recent", "picture": True, "input_bytes": 10}


def there(record: Record) -> RecentPictures:
    with record.database.reading() as connection:
        return recent_pictures(connection)


def stations(*sizes: int) -> list[StationRecent]:
    return [StationRecent(f"s{number}", 0, 1, size) for number, size in enumerate(sizes)]


def test_each_station_tells_how_far_back_its_pictures_reach(record: Record) -> None:
    rows = [
        RECENT | {"station": "north", "at_us": NOON_US + 2},
        RECENT | {"station": "north", "at_us": NOON_US + 1},
        RECENT | {"station": "south", "at_us": NOON_US + 3, "input_bytes": 50},
    ]
    insert_inspections(record, rows)
    found = there(record)
    assert found.stations == (
        StationRecent("south", NOON_US + 3, 1, 50),
        StationRecent("north", NOON_US + 1, 2, 20),
    )
    assert (found.oldest_us, found.pictures, found.bytes) == (NOON_US + 1, 3, 70)
    assert found.shortest is not None and found.shortest.station == "south"


def test_pictures_that_name_no_station_are_of_one(record: Record) -> None:
    insert_inspections(record, [RECENT, RECENT | {"at_us": NOON_US - 5}])
    assert there(record).stations == (StationRecent(None, NOON_US - 5, 2, 20),)


def test_what_is_judged_pinned_gone_or_kept_for_a_reason_is_not_counted(record: Record) -> None:
    others: list[dict[str, Any]] = [
        {"judgement": "defect"},
        {"pinned": True},
        {"picture": False},
        {"kept": "sample"},
        {"kept": None, "picture": False},
    ]
    insert_inspections(record, [RECENT | other for other in others])
    found = there(record)
    assert found == RecentPictures()
    assert (found.oldest_us, found.shortest, found.bytes) == (None, None, 0)


def test_what_a_slow_station_does_not_need_is_for_the_busy_ones() -> None:
    assert beyond_fair(stations(10, 90), most_bytes=50) == {"s1": 50}
    assert beyond_fair(stations(10, 60, 90), most_bytes=110) == {"s1": 10, "s2": 40}
    assert beyond_fair(stations(10, 90), most_bytes=100) == {}
    assert beyond_fair(stations(10, 90), most_bytes=0) == {"s0": 10, "s1": 90}


def test_a_station_within_its_even_share_loses_nothing_whatever_the_others_have() -> None:
    rng = random.Random(7)
    for _ in range(200):
        some = stations(*(rng.randrange(1, 1000) for _ in range(rng.randrange(1, 9))))
        most = rng.randrange(sum(one.bytes for one in some) + 1)
        beyond = beyond_fair(some, most)
        assert not {one.station for one in some if one.bytes * len(some) <= most} & {*beyond}
        left = sum(one.bytes for one in some) - sum(beyond.values())
        assert abs(left - most) < 1e-6
