"""A spool keeps messages in order until they are done with, through any end of its process."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from takt.outlets.spool import LostMessagesError, Spool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outlets" / "mqtt" / "0.sqlite"


def filled(path: Path, count: int, most: int = 1000, *, late: bool = False) -> Spool:
    spool = Spool(path, most)
    for number in range(count):
        spool.put("topic", b'{"part":%d}' % number)
    spool.commit(late=late)
    return spool


def parts(spool: Spool) -> list[int]:
    return [json.loads(one.body)["part"] for one in spool.after(0)]


def test_messages_come_in_their_order_until_they_are_done_with(path: Path) -> None:
    spool = filled(path, 5)
    assert (parts(spool), spool.waiting) == ([0, 1, 2, 3, 4], 5)
    spool.done(spool.after(0)[1].seq)
    assert (parts(spool), spool.waiting) == ([2, 3, 4], 3)
    assert [one.seq for one in spool.after(3, most=1)] == [4]
    spool.close()


def test_what_is_put_is_stored_by_the_commit_alone(path: Path) -> None:
    spool = Spool(path, 10)
    spool.put("topic", b'{"part":0}')
    assert spool.waiting == 0
    spool.commit(late=False)
    assert spool.waiting == 1
    spool.close()


def test_what_is_committed_survives_a_process_that_is_killed(path: Path) -> None:
    killed = filled(path, 3)
    ids = [one.id for one in killed.after(0)]
    # Nothing of it is closed, as after a kill.
    spool = Spool(path, 1000)
    assert [one.id for one in spool.after(0)] == ids
    spool.close()
    killed.close()


def test_an_id_is_never_given_twice_though_everything_is_done_with_in_between(path: Path) -> None:
    spool = filled(path, 2)
    first = [one.id for one in spool.after(0)]
    spool.done(2)
    spool.close()
    spool = filled(path, 2)
    second = [one.id for one in spool.after(0)]
    assert len({*first, *second}) == 4
    assert [one.rpartition("-")[2] for one in first + second] == ["1", "2", "3", "4"]
    spool.close()


def test_an_id_is_not_given_again_where_a_loss_of_power_took_the_last_messages(path: Path) -> None:
    filled(path, 1).close()
    stored = path.read_bytes()
    spool = filled(path, 2)
    sent = {one.id for one in spool.after(1)}
    spool.close()
    path.write_bytes(stored)
    spool = filled(path, 2)
    assert sent.isdisjoint(one.id for one in spool.after(0))
    spool.close()


def test_where_there_is_no_room_the_oldest_give_way_and_are_counted(path: Path) -> None:
    spool = filled(path, 10, most=10)
    for number in (10, 11, 12):
        spool.put("topic", b'{"part":%d}' % number)
    assert spool.commit(late=True) == 3
    assert parts(spool) == list(range(3, 13))
    spool.close()
    again = Spool(path, 10)
    assert parts(again) == list(range(3, 13))
    again.close()


def test_more_at_once_than_there_is_room_for_leaves_the_newest(path: Path) -> None:
    spool = Spool(path, 4)
    for number in range(10):
        spool.put("topic", b'{"part":%d}' % number)
    assert spool.commit(late=False) == 6
    assert parts(spool) == [6, 7, 8, 9]
    spool.close()


def test_what_a_smaller_bound_has_no_room_for_gives_way_with_the_next_message(path: Path) -> None:
    filled(path, 10).close()
    spool = Spool(path, 4)
    spool.put("topic", b'{"part":10}')
    assert spool.commit(late=False) == 7
    assert parts(spool) == [7, 8, 9, 10]
    spool.close()


def test_a_message_is_marked_late_if_it_could_not_be_sent_when_it_came(path: Path) -> None:
    spool = filled(path, 1)
    spool.put("topic", b'{"part":1}')
    spool.commit(late=True)
    assert [one.late for one in spool.after(0)] == [False, True]
    spool.mark_late()
    assert [one.late for one in spool.after(0)] == [True, True]
    spool.close()


def test_what_is_left_from_before_is_late(path: Path) -> None:
    filled(path, 1).close()
    spool = filled(path, 1)
    assert [one.late for one in spool.after(0)] == [True, False]
    spool.close()


def test_the_payload_says_first_what_tells_it_apart(path: Path) -> None:
    spool = filled(path, 1, late=True)
    (one,) = spool.after(0)
    payload = list(json.loads(one.payload).items())
    assert payload == [("id", one.id), ("late", True), ("part", 0)]
    spool.close()


def test_what_is_done_with_is_removed_from_the_disk(path: Path) -> None:
    spool = filled(path, 5)
    spool.done(4)
    spool.tidy()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT seq FROM message").fetchall() == [(5,)]
    other.close()
    spool.close()


def test_messages_move_to_another_spool_with_their_ids(path: Path) -> None:
    left, own = filled(path, 3), filled(path.with_name("1.sqlite"), 1)
    ids = [one.id for one in own.after(0) + left.after(0)]
    assert left.move_to(own) == 3
    assert [one.id for one in own.after(0)] == ids
    assert left.waiting == 0
    left.close()
    own.close()


def test_a_damaged_file_is_put_aside_and_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    spool = filled(path, 1)
    assert parts(spool) == [0]
    assert path.with_suffix(".damaged").exists()
    assert "is damaged" in caplog.text
    spool.close()


def test_messages_that_the_disk_does_not_take_are_told_and_the_next_are_stored(path: Path) -> None:
    spool = filled(path, 1)
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE message RENAME TO away")
    spool.put("topic", b'{"part":1}')
    with pytest.raises(LostMessagesError, match="1 messages cannot be stored"):
        spool.commit(late=False)
    with other:
        other.execute("ALTER TABLE away RENAME TO message")
    other.close()
    spool.put("topic", b'{"part":2}')
    spool.commit(late=False)
    assert parts(spool) == [0, 2]
    spool.close()


def test_nobody_else_may_read_it(path: Path) -> None:
    filled(path, 1).close()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
