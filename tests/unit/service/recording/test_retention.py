"""What retention removes, and what it leaves."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.dialects import sqlite

from takt.core.errors import ConfigurationError
from takt.recording import retention as retention_module
from takt.recording.pictures import PictureKey
from takt.recording.recent import RecentPictures
from takt.recording.record import Record
from takt.recording.retention import Retention, RetentionRule, Swept
from takt.recording.review.judging import NewJudgement, judge, withdraw
from takt.recording.review.marks import pin
from takt.recording.settings import RecordSettings
from takt.recording.tables import inspections, judgements
from tests.recorded import NOON_US, insert_inspections

DAY_US = 86_400_000_000
SIZE = len(b"\xff\xd8 100")


def picture(number: int) -> bytes:
    return b"\xff\xd8 %d" % number


def keep(
    record: Record, number: int, days_ago: float, *, pinned: bool = False, **fields: Any
) -> int:
    """Store an inspection with its picture."""
    data, at_us = picture(number), NOON_US - int(days_ago * DAY_US)
    digest = hashlib.sha256(data)
    record.pictures.write(PictureKey(at_us, digest.hexdigest(), "jpeg"), data)
    row = {"at_us": at_us, "sha256": digest.digest(), "kept": "reject", "picture": True}
    size = {"input_bytes": len(data)}
    return insert_inspections(record, [row | size | {"pinned": pinned} | fields])[0]


def keep_recent(record: Record, numbers: Iterable[int], **fields: Any) -> list[int]:
    """Store inspections with recent pictures, one a minute, the higher numbers later."""
    return [
        keep(record, number, days_ago=1 - number / 1440, kept="recent", **fields)
        for number in numbers
    ]


def sweep(record: Record, rule: RetentionRule, **given: Any) -> Swept:
    return Retention(record, rule, **given).sweep(NOON_US)


def recent(left: int, **more: Any) -> RetentionRule:
    """A rule by which there are so many recent pictures after a sweep that removes some."""
    return RetentionRule(recent_bytes=math.ceil(left * SIZE / 0.9), **more)


def with_pictures(record: Record) -> list[int]:
    """Ids of the inspections whose pictures are there; the files have to be theirs."""
    with record.database.reading() as connection:
        rows = connection.execute(select(inspections).order_by(inspections.c.id)).all()
    there = [row for row in rows if row.picture]
    paths = {PictureKey(row.at_us, row.sha256.hex(), row.input_format).path for row in there}
    assert {path for path, _ in record.pictures.files()} == paths
    return [row.id for row in there]


def test_old_pictures_go_and_their_rows_stay(record: Record) -> None:
    keep(record, 1, days_ago=91)
    young = keep(record, 2, days_ago=89)
    swept = sweep(record, RetentionRule.read("days=90"))
    assert (swept.pictures, swept.bytes, swept.rows) == (1, len(picture(1)), 0)
    assert with_pictures(record) == [young]
    with record.database.reading() as connection:
        kept = connection.execute(select(inspections.c.kept)).scalars().all()
    # How it was chosen stays known.
    assert kept == ["reject", "reject"]


def test_the_oldest_go_where_they_are_too_many(record: Record) -> None:
    ids = [keep(record, number, days_ago=10 - number) for number in range(5)]
    sweep(record, RetentionRule.read("pictures=2"))
    assert with_pictures(record) == ids[3:]


def test_the_oldest_go_where_they_take_too_much_disk(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.retention._AT_ONCE", 10)
    ids = [keep(sqlite_record, number, days_ago=10 - number) for number in range(5)]
    rule = RetentionRule(bytes=2 * len(picture(1)))
    sweep(sqlite_record, rule)
    assert with_pictures(sqlite_record) == ids[3:]


def test_a_pinned_picture_stays_whatever_its_age(record: Record) -> None:
    pinned = keep(record, 1, days_ago=900, pinned=True)
    keep(record, 2, days_ago=800)
    sweep(record, RetentionRule.read("days=90,pictures=0,gb=0,record_days=400"))
    assert with_pictures(record) == [pinned]


def test_a_file_of_two_inspections_goes_with_the_last_one(record: Record) -> None:
    keep(record, 1, days_ago=90.9)
    late = keep(record, 1, days_ago=90.6)
    sweep(record, RetentionRule.read("days=90.8"))
    assert with_pictures(record) == [late]
    assert sweep(record, RetentionRule.read("days=1")).pictures == 1
    assert with_pictures(record) == []


def test_old_rows_go_with_their_pictures_and_judgements(record: Record) -> None:
    old = keep(record, 1, days_ago=401)
    young = keep(record, 2, days_ago=399)
    with record.database.writing() as connection:
        connection.execute(
            judgements.insert(),
            [
                {"inspection_id": one, "at_us": 0, "reviewer": "ada", "judgement": "good"}
                for one in (old, young)
            ],
        )
    swept = sweep(record, RetentionRule.read("record_days=400"))
    assert (swept.rows, swept.pictures) == (1, 1)
    assert with_pictures(record) == [young]
    with record.database.reading() as connection:
        assert connection.execute(select(judgements.c.inspection_id)).scalars().all() == [young]


def test_many_rows_go_in_several_transactions(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.retention._AT_ONCE", 3)
    for number in range(8):
        keep(sqlite_record, number, days_ago=500)
    swept = sweep(sqlite_record, RetentionRule.read("record_days=400"))
    # The last one stays, so that its number is not given again.
    assert (swept.rows, swept.pictures) == (7, 8)


@pytest.mark.parametrize("text", ["", "days", "days=x", "weeks=2", "gb=-1", "days=1,days=2"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="record_days"):
        RetentionRule.read(text)


def test_a_record_has_a_bound_of_recent_pictures_though_none_is_given() -> None:
    assert RetentionRule.read("days=90").recent_bytes == 2_000_000_000
    assert RetentionRule.read("days=90,recent_gb=0.5").recent_bytes == 500_000_000
    assert RetentionRule.read(RecordSettings().retain).recent_bytes == 2_000_000_000


@pytest.mark.parametrize("name", ["days", "pictures", "gb", "record_days"])
@pytest.mark.parametrize("number", ["inf", "1e300"])
def test_a_bound_that_is_none_is_refused_with_what_to_do(name: str, number: str) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}` is no bound; leave it out"):
        RetentionRule.read(f"{name}={number}")


def test_rows_that_stay_for_longer_than_there_is_time_keep_no_picture_from_going(
    record: Record,
) -> None:
    keep(record, 1, days_ago=1)
    last = keep(record, 2, days_ago=0)
    sweep(record, RetentionRule.read("pictures=1,record_days=99999999"))
    assert with_pictures(record) == [last]
    with pytest.raises(ConfigurationError, match="leave it out"):
        RetentionRule.read("pictures=1,record_days=999999999")


@pytest.mark.parametrize(
    "text", ["recent_gb=inf", "recent_gb=1e300", "recent_gb=nan", "recent_gb=x", "recent_gb"]
)
def test_recent_pictures_without_a_bound_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="recent_gb="):
        RetentionRule.read(text)


def test_the_oldest_recent_pictures_make_room_and_their_rows_are_as_if_never_kept(
    record: Record,
) -> None:
    ids = keep_recent(record, range(100, 110))
    swept = sweep(record, recent(4))
    assert (swept.pictures, swept.recent, swept.rows) == (0, 6, 0)
    assert with_pictures(record) == ids[6:]
    with record.database.reading() as connection:
        kept = connection.execute(select(inspections.c.kept).order_by(inspections.c.id)).scalars()
        assert list(kept) == [None] * 6 + ["recent"] * 4


def test_recent_pictures_within_their_bound_stay(record: Record) -> None:
    ids = keep_recent(record, range(100, 110))
    assert sweep(record, RetentionRule(recent_bytes=10 * SIZE)).recent == 0
    assert with_pictures(record) == ids


def test_a_busy_station_pushes_out_no_picture_of_a_slow_one(record: Record) -> None:
    slow = keep_recent(record, range(100, 103), station="slow")
    nameless = keep_recent(record, range(103, 105))
    busy = keep_recent(record, range(105, 140), station="busy")
    sweep(record, recent(15))
    assert with_pictures(record) == [*slow, *nameless, *busy[-10:]]


def test_more_stations_than_pictures_find_room_leave_the_latest_pictures(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.retention._MOST_NAMED", 3)
    monkeypatch.setattr("takt.recording.retention._AT_ONCE", 4)
    ids = [keep_recent(sqlite_record, [100 + one], station=f"s{one}")[0] for one in range(20)]
    sweep(sqlite_record, recent(5))
    assert with_pictures(sqlite_record) == ids[-5:]


def test_recent_pictures_push_out_no_reject_and_rejects_none_of_them(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.retention._AT_ONCE", 10)
    rejects = [keep(record, 100 + number, days_ago=9 - number) for number in range(5)]
    ids = keep_recent(record, range(110, 120))
    rule = recent(4, pictures=5, bytes=5 * SIZE)
    assert sweep(record, rule).pictures == 0
    assert with_pictures(record) == [*rejects, *ids[-4:]]
    rule = recent(4, pictures=3)
    sweep(record, rule)
    assert with_pictures(record) == [*rejects[2:], *ids[-4:]]
    rule = recent(4, bytes=SIZE)
    sweep(record, rule)
    assert with_pictures(record) == [rejects[4], *ids[-4:]]


def test_all_pictures_take_no_more_than_both_bounds_though_a_file_is_of_several_inspections(
    sqlite_record: Record,
) -> None:
    for number in range(6):
        keep(sqlite_record, 100 + number, days_ago=3 - number / 10)
    for minute in range(6):
        keep(sqlite_record, 120, days_ago=1 - minute / 1440, kept="recent")
    rule = RetentionRule(bytes=2 * SIZE, recent_bytes=6 * SIZE)
    sweep(sqlite_record, rule)
    on_disk = sum(size for _, size in sqlite_record.pictures.files())
    assert on_disk <= 2 * SIZE + 6 * SIZE


def test_old_recent_pictures_go_by_their_age_as_others_do(record: Record) -> None:
    old = keep(record, 1, days_ago=91, kept="recent", station="gone")
    young = keep(record, 2, days_ago=89, kept="recent")
    sweep(record, RetentionRule.read("days=90"))
    assert with_pictures(record) == [young]
    with record.database.reading() as connection:
        kept = select(inspections.c.kept).where(inspections.c.id == old)
        assert connection.execute(kept).scalar() is None


def test_a_judged_picture_stays_until_the_judgement_is_taken_back(record: Record) -> None:
    first, second, *others = keep_recent(record, range(100, 110))
    judge(record.database, [first, second], NewJudgement("defect", "ann"))
    sweep(record, recent(3))
    assert with_pictures(record) == [first, second, *others[-3:]]
    withdraw(record.database, [second], "ann")
    sweep(record, recent(2))
    assert with_pictures(record) == [first, *others[-2:]]


def test_a_judged_picture_counts_under_the_usual_bounds(record: Record) -> None:
    (judged,) = keep_recent(record, [100])
    judge(record.database, [judged], NewJudgement("good", "ann"))
    late = keep(record, 120, days_ago=0.1)
    sweep(record, RetentionRule(pictures=1))
    assert with_pictures(record) == [late]
    with record.database.reading() as connection:
        kept = select(inspections.c.kept).where(inspections.c.id == judged)
        # That it was there, and by which rule it has gone, stays known.
        assert connection.execute(kept).scalar() == "recent"


def test_a_pinned_recent_picture_stays_until_it_is_unpinned(record: Record) -> None:
    first, *others = keep_recent(record, range(100, 110))
    pin(record.database, first, pinned=True, who="ann")
    rule = RetentionRule.read("days=0.001,pictures=0,gb=0,recent_gb=0")
    sweep(record, rule)
    assert with_pictures(record) == [first]
    pin(record.database, first, pinned=False, who="ann")
    sweep(record, rule)
    assert with_pictures(record) == []
    assert others


def test_a_picture_that_is_judged_while_it_is_to_go_stays(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = keep_recent(sqlite_record, range(100, 104))
    retention = Retention(sqlite_record, RetentionRule(recent_bytes=0))
    found = retention_module.recent_pictures

    def judged_meanwhile(connection: Connection) -> RecentPictures:
        there = found(connection)
        connection.rollback()
        judge(sqlite_record.database, ids[:1], NewJudgement("defect", "ann"))
        return there

    monkeypatch.setattr(retention_module, "recent_pictures", judged_meanwhile)
    retention.sweep(NOON_US)
    assert with_pictures(sqlite_record) == ids[:1]


def test_recent_pictures_give_way_where_the_disk_is_nearly_full(record: Record) -> None:
    reject = keep(record, 100, days_ago=2)
    ids = keep_recent(record, range(110, 120))
    free = 1_000_000_000 - 3 * SIZE
    sweep(record, RetentionRule(), free_bytes=lambda: free)
    assert with_pictures(record) == [reject, *ids[3:]]
    sweep(record, RetentionRule(), free_bytes=lambda: 0)
    assert with_pictures(record) == [reject]


def test_more_recent_pictures_than_there_may_be_are_noticed_at_once(record: Record) -> None:
    keep_recent(record, range(100, 104))
    retention = Retention(record, RetentionRule(recent_bytes=6 * SIZE))
    retention.sweep(NOON_US)
    retention.added(2 * SIZE, recent=True)
    retention.added(99 * SIZE)
    assert not retention.recent_due(workers=1)
    # The other worker has kept as many.
    assert retention.recent_due(workers=2)
    retention.sweep(NOON_US)
    assert not retention.recent_due(workers=2)


def test_what_goes_first_is_found_without_reading_the_table(sqlite_record: Record) -> None:
    keep(sqlite_record, 1, days_ago=1)
    removable = retention_module._REMOVABLE
    for query in (removable, removable.where(retention_module._RECENT_IN_ORDER)):
        text = str(query.compile(compile_kwargs={"literal_binds": True}, dialect=sqlite.dialect()))
        with sqlite_record.database.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        assert "INDEX inspections_removable" in str(plan)
