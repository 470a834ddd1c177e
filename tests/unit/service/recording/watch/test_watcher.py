"""The watch of a record: what it finds, once, whoever goes on with it."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import ColumnElement

from takt.core.bundles.thresholds import ThresholdPair
from takt.core.errors import RecordError
from takt.core.pictures.facts import BLOCKS, FACT_NAMES, Look
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.pose import SIDE
from takt.recording.audit.chain import append
from takt.recording.audit.served import activation
from takt.recording.record import Record
from takt.recording.tables import sources
from takt.recording.watch import store as storing
from takt.recording.watch import watcher as watching
from takt.recording.watch.activations import Activations
from takt.recording.watch.alarms import (
    StoredAlarm,
    acknowledge,
    add_mark,
    alarms_of,
    snooze,
)
from takt.recording.watch.known import WATCHED, KnownBundle, watched_of
from takt.recording.watch.store import (
    RecordStore,
    ReplayStore,
    WatchChanges,
    WatchPosition,
    replay_begins,
)
from takt.recording.watch.streams import StreamKey
from takt.recording.watch.watcher import RecordWatcher
from takt.watching.calibration import CalibratedFacts
from tests.recorded import NOON_US, SOURCE, insert_inspections

PICTURES = 200
BRIGHTNESS, SCORE = FACT_NAMES.index("brightness"), FACT_NAMES.index("score")


def facts(count: int, seed: int, **moved: float) -> NDArray[np.float32]:
    """Facts of usual pictures, with some moved by so many deviations."""
    table = np.random.default_rng(seed).normal(size=(count, len(FACT_NAMES))).astype(np.float32)
    for name, deviations in moved.items():
        table[:, FACT_NAMES.index(name)] += deviations
    return table


def known_bundle(promised: float | None = None) -> KnownBundle:
    good = GoodFacts(
        facts(PICTURES, 0),
        Look(np.zeros((SIDE, SIDE), np.float32), np.ones((BLOCKS, BLOCKS), np.float32)),
    )
    return KnownBundle(
        good,
        CalibratedFacts(WATCHED, watched_of(good.table)),
        ThresholdPair(0.5, 0.5),
        0.01,
        "measured" if promised is None else "proven",
        promised,
    )


BUNDLE = known_bundle()


def known_of(model: str, version: str, digest: str) -> KnownBundle | None:
    return BUNDLE if (model, digest) == ("bolt", SOURCE["digest"]) else None


@pytest.fixture
def watched(record: Record) -> Record:
    """A record whose watch has begun."""
    RecordWatcher(record.database, known_of).turn()
    return record


def store(record: Record, table: NDArray[np.float32], **row: Any) -> list[int]:
    """Store an inspection for each picture."""
    rows = [
        {"facts": one.tobytes(), "at_us": NOON_US + at * 1_000_000, **row}
        for at, one in enumerate(table)
    ]
    return insert_inspections(record, rows)


def found(record: Record) -> list[StoredAlarm]:
    with record.database.reading() as connection:
        return list(alarms_of(connection)[::-1])


def test_usual_pictures_raise_nothing(watched: Record) -> None:
    store(watched, facts(500, 1))
    assert RecordWatcher(watched.database, known_of).turn().seen == 500
    assert found(watched) == []


def test_a_dimmed_lamp_is_one_alarm_with_its_fact_and_its_first_picture(watched: Record) -> None:
    store(watched, facts(300, 1))
    dark = store(watched, facts(100, 2, brightness=-4.0))
    watcher = RecordWatcher(watched.database, known_of)
    assert watcher.turn().raised == 1
    store(watched, facts(200, 3, brightness=-4.0))
    assert watcher.turn().raised == 0
    (alarm,) = found(watched)
    assert (alarm.cause, alarm.model, alarm.station) == ("camera", "bolt", "")
    assert (alarm.moved[0].fact, alarm.moved[0].side) == ("brightness", "low")
    assert alarm.moved[0].now - alarm.moved[0].usual == pytest.approx(-4, abs=0.7)
    assert abs(alarm.since_id - dark[0]) <= 3
    assert dark[0] < alarm.raised_id <= dark[49]
    assert alarm.ended_us is None and alarm.calls(NOON_US)


def test_higher_scores_alone_are_more_defects(watched: Record) -> None:
    store(watched, facts(300, 1))
    store(watched, facts(200, 2, score=4.0))
    RecordWatcher(watched.database, known_of).turn()
    assert [alarm.cause for alarm in found(watched)] == ["defects"]


def test_an_alarm_ends_when_pictures_are_as_usual_again(watched: Record) -> None:
    store(watched, facts(60, 2, brightness=-4.0))
    store(watched, facts(600, 3))
    RecordWatcher(watched.database, known_of).turn()
    (alarm,) = found(watched)
    assert alarm.ended_us is not None and not alarm.calls(NOON_US)


def test_each_station_is_a_stream_of_its_own(watched: Record) -> None:
    store(watched, facts(100, 1), station="left")
    store(watched, facts(100, 2, sharpness=-5.0), station="right")
    RecordWatcher(watched.database, known_of).turn()
    assert [alarm.station for alarm in found(watched)] == ["right"]


@pytest.mark.parametrize("at_once", [1, 7, 64, 5000])
def test_alarms_are_the_same_however_far_a_turn_goes(
    watched: Record, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AT_ONCE", at_once)
    store(watched, facts(100, 1))
    dark = store(watched, facts(100, 2, brightness=-3.0))
    store(watched, facts(400, 3))
    # Another watcher each time, as if each turn were after a kill.
    while RecordWatcher(watched.database, known_of).turn().more:
        pass
    (alarm,) = found(watched)
    again = alarms_in_one_turn()
    assert (alarm.since_id - dark[0], alarm.raised_id - dark[0], alarm.ended_us) == again


def alarms_in_one_turn() -> tuple[int, int, int | None]:
    """What the same pictures make happen without a record."""
    from takt.watching.causes import CauseAlarm, CauseEnded, CauseWatch

    assert BUNDLE.calibration is not None
    watch = CauseWatch(BUNDLE.calibration)
    pictures = np.concatenate([facts(100, 1), facts(100, 2, brightness=-3.0), facts(400, 3)])
    alarm, ended = watch.see_all(watched_of(pictures))
    assert isinstance(alarm, CauseAlarm) and isinstance(ended, CauseEnded)
    at = (ended.picture - 200) * 1_000_000 + NOON_US
    return alarm.since - 100, alarm.picture - 100, at


def test_a_turn_that_fails_is_repeated_and_raises_its_alarm_once(
    watched: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(watched, facts(100, 2, brightness=-4.0))
    watcher = RecordWatcher(watched.database, known_of)

    def fail(key: StreamKey) -> ColumnElement[bool]:
        raise RecordError("the power is gone")

    with monkeypatch.context() as cut:
        # The alarm is written, and what the tests remember is not: all of it is taken back.
        cut.setattr(storing, "_row_of", fail)
        watcher._store.stream = lambda *asked: None  # type: ignore[method-assign]
        with pytest.raises(RecordError):
            watcher.turn()
    assert found(watched) == []
    watcher = RecordWatcher(watched.database, known_of)
    assert watcher.turn().raised == 1
    assert watcher.turn().raised == 0
    assert len(found(watched)) == 1


def test_of_two_servers_that_watch_at_the_same_time_one_raises_the_alarm(watched: Record) -> None:
    store(watched, facts(100, 1))
    first, second = (RecordWatcher(watched.database, known_of) for _ in range(2))
    first.turn()
    store(watched, facts(60, 2, brightness=-4.0))
    kept = first._store.write

    def write_after_the_other(changes: WatchChanges) -> bool:
        assert second.turn().raised == 1
        return kept(changes)

    first._store.write = write_after_the_other  # type: ignore[method-assign]
    turn = first.turn()
    assert (turn.raised, turn.more) == (0, True)
    first._store.write = kept  # type: ignore[method-assign]
    store(watched, facts(20, 3, brightness=-4.0))
    assert first.turn().seen == 20
    (alarm,) = found(watched)
    assert alarm.ended_us is None


def test_another_bundle_begins_anew_and_ends_what_stood(watched: Record) -> None:
    store(watched, facts(100, 2, brightness=-4.0))
    other = replace(BUNDLE)

    def both(model: str, version: str, digest: str) -> KnownBundle | None:
        return other if version == "2" else BUNDLE

    active = "1"
    watcher = RecordWatcher(
        watched.database, both, was_active=lambda _, version, at: version == active
    )
    watcher.turn()
    active = "2"
    with watched.database.writing() as connection:
        source = {"model": "bolt", "version": "2", **SOURCE, "digest": "0b" * 32}
        connection.execute(sources.insert().values(source))
    store(watched, facts(100, 3), version="2", source_id=2)
    watcher.turn()
    (alarm,) = found(watched)
    assert alarm.ended_us == NOON_US


@pytest.mark.parametrize("digest", ["09" * 32, "0b" * 32], ids=["seen first", "seen last"])
def test_another_version_that_is_tried_beside_the_active_one_changes_nothing(
    watched: Record, digest: str
) -> None:
    known = known_bundle(promised=0.02)

    def watch(active: str) -> None:
        watcher = RecordWatcher(
            watched.database, lambda *_: known, was_active=lambda _, version, at: version == active
        )
        watcher.turn()

    activated(watched, "1", NOON_US)
    store(watched, facts(300, 1), at_us=NOON_US)
    dark = store(watched, facts(100, 2, brightness=-4.0), at_us=NOON_US)
    watch("1")

    with watched.database.writing() as connection:
        source = {"model": "bolt", "version": "2", **SOURCE, "digest": digest}
        connection.execute(sources.insert().values(source))
    store(watched, facts(1, 3), version="2", source_id=2, at_us=NOON_US)
    store(watched, facts(100, 4, brightness=-4.0), at_us=NOON_US)
    watch("1")
    (alarm,) = found(watched)
    assert alarm.ended_us is None and alarm.raised_id in dark
    assert parts_counted(watched) == ("1", 500)

    activated(watched, "2", NOON_US + 1)
    store(watched, facts(50, 5), version="2", source_id=2, at_us=NOON_US + 2)
    watch("2")
    (alarm,) = found(watched)
    assert alarm.ended_us == NOON_US + 2
    assert parts_counted(watched) == ("2", 50)

    # So does one that goes through all of it later, by the audit log.
    with watched.database.reading() as connection:
        again, was_active = ReplayStore(replay_begins(connection)), Activations(connection)
    RecordWatcher(watched.database, lambda *_: known, again, was_active.was_active).turn()
    assert again.alarms == [alarm]


def test_a_line_that_names_its_version_is_watched_though_the_active_one_was_asked_as_well(
    watched: Record,
) -> None:
    known = known_bundle(promised=0.02)
    store(watched, facts(1, 1))
    with watched.database.writing() as connection:
        source = {"model": "bolt", "version": "2", **SOURCE, "digest": "0b" * 32}
        connection.execute(sources.insert().values(source))
    watcher = RecordWatcher(
        watched.database, lambda *_: known, was_active=lambda _, version, at: version == "1"
    )
    for _ in range(3):
        store(watched, facts(60, 2), version="2", source_id=2)
        watcher.turn()
    assert parts_counted(watched) == ("2", 80)


def test_a_line_that_names_its_version_stays_watched_though_the_active_one_is_tried(
    watched: Record,
) -> None:
    known = known_bundle(promised=0.02)
    active = "1"
    with watched.database.writing() as connection:
        for version in ("2", "3"):
            source = {"model": "bolt", "version": version, **SOURCE, "digest": f"0{version}" * 32}
            connection.execute(sources.insert().values(source))

    watcher = RecordWatcher(
        watched.database, lambda *_: known, was_active=lambda _, version, at: version == active
    )
    store(watched, facts(300, 1, brightness=-4.0), version="2", source_id=2)
    watcher.turn()
    for version, source_id in (("1", 1), ("3", 3)):
        store(watched, facts(1, 2), version=version, source_id=source_id)
        store(watched, facts(10, 3, brightness=-4.0), version="2", source_id=2)
        watcher.turn()
    active = "3"
    store(watched, facts(1, 4), version="3", source_id=3)
    store(watched, facts(10, 5, brightness=-4.0), version="2", source_id=2)
    watcher.turn()
    (alarm,) = found(watched)
    assert alarm.ended_us is None
    assert parts_counted(watched) == ("2", 330)


def test_a_version_without_facts_that_takes_over_leaves_no_stream_of_the_one_before(
    watched: Record,
) -> None:
    unknown = replace(BUNDLE, facts=None, calibration=None)
    activated(watched, "1", NOON_US)
    store(watched, facts(60, 2, brightness=-4.0), at_us=NOON_US)
    with watched.database.writing() as connection:
        source = {"model": "bolt", "version": "2", **SOURCE, "digest": "0b" * 32}
        connection.execute(sources.insert().values(source))
    activated(watched, "2", NOON_US + 1)
    answered = {"version": "2", "source_id": 2, "at_us": NOON_US + 2}
    insert_inspections(watched, [answered])
    with watched.database.reading() as connection:
        was_active = Activations(connection).was_active
    watcher = RecordWatcher(
        watched.database,
        lambda model, version, digest: unknown if version == "2" else BUNDLE,
        was_active=was_active,
    )
    watcher.turn()
    (alarm,) = found(watched)
    assert alarm.ended_us == NOON_US + 2
    key = StreamKey("stream", "bolt", "")
    with watched.database.reading() as connection:
        assert RecordStore(watched.database).stream(connection, key) is None
    assert parts_counted(watched) == ("2", 1)

    # Another activation brings the watch of the former one back, from its beginning.
    activated(watched, "1", NOON_US + 3)
    with watched.database.reading() as connection:
        watcher._was_active = Activations(connection).was_active
    store(watched, facts(10, 3), at_us=NOON_US + 4)
    watcher.turn()
    with watched.database.reading() as connection:
        kept = RecordStore(watched.database).stream(connection, key)
    assert kept is not None and (kept.version, kept.seen) == ("1", 10)


def activated(record: Record, version: str, at_us: int) -> None:
    change = activation("ann", "bolt", None, version, None)
    with record.database.writing(durable=True) as connection:
        append(connection, replace(change, at_us=at_us))


def parts_counted(record: Record) -> tuple[str, int]:
    """The version whose promise is watched, and the parts that count for it."""
    key = StreamKey("promise", "bolt", "")
    with record.database.reading() as connection:
        kept = RecordStore(record.database).stream(connection, key)
    assert kept is not None
    return kept.version, kept.seen


def test_after_maintenance_a_watch_begins_anew_once(watched: Record) -> None:
    store(watched, facts(60, 2, brightness=-4.0), station="left")
    mark = add_mark(
        watched.database, "maintenance", station="left", note="", who="ann", client=None
    )
    watcher = RecordWatcher(watched.database, known_of)
    watcher.turn()
    store(watched, facts(60, 3, brightness=-4.0), station="left")
    watcher.turn()
    first, second = found(watched)
    assert first.ended_us == mark.at_us
    assert second.ended_us is None
    assert second.since_id > mark.inspection_id


def test_a_shift_changes_nothing(watched: Record) -> None:
    store(watched, facts(60, 2, brightness=-4.0))
    add_mark(watched.database, "shift", station="", note="early", who="ann", client=None)
    RecordWatcher(watched.database, known_of).turn()
    (alarm,) = found(watched)
    assert alarm.ended_us is None


def test_pictures_of_versions_that_are_not_here_are_passed_over(watched: Record) -> None:
    store(watched, facts(100, 2, brightness=-4.0), model="nut")
    assert RecordWatcher(watched.database, known_of).turn().seen == 100
    assert found(watched) == []


def test_a_version_that_comes_later_is_watched_from_then_on(watched: Record) -> None:
    there = [False]
    watcher = RecordWatcher(watched.database, lambda *bundle: BUNDLE if there[0] else None)
    store(watched, facts(10, 1))
    watcher.turn()
    there[0] = True
    store(watched, facts(100, 2, brightness=-4.0))
    assert watcher.turn().raised == 1


def test_a_watch_begins_with_the_latest_that_is_there(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "CAUGHT_UP", 60)
    ids = store(sqlite_record, facts(100, 2, brightness=-4.0))
    watcher = RecordWatcher(sqlite_record.database, known_of)
    assert watcher.turn().seen == 60
    (alarm,) = found(sqlite_record)
    assert alarm.since_id >= ids[40]


def test_a_model_that_rejects_more_than_it_promises_is_told_once(watched: Record) -> None:
    promising = known_bundle(promised=0.02)
    watcher = RecordWatcher(watched.database, lambda *bundle: promising)
    rejects = np.random.default_rng(4).random(800) < 0.06
    rows = [{"anomalous": bool(one), "at_us": NOON_US} for one in rejects]
    insert_inspections(watched, rows)
    watcher.turn()
    insert_inspections(watched, rows)
    watcher.turn()
    (alarm,) = found(watched)
    assert (alarm.cause, alarm.station) == ("promise", "")
    assert alarm.moved[0].usual == 0.02 and alarm.moved[0].now > 0.02


def test_parts_with_thresholds_of_a_request_do_not_count_for_the_promise(watched: Record) -> None:
    promising = known_bundle(promised=0.02)
    rows = [{"anomalous": True, "threshold": 0.1}] * 500
    insert_inspections(watched, rows)
    RecordWatcher(watched.database, lambda *bundle: promising).turn()
    assert found(watched) == []


def test_a_bundle_whose_score_alone_decides_keeps_its_promise_too(watched: Record) -> None:
    promising = replace(known_bundle(promised=0.02), thresholds=ThresholdPair(0.5, math.inf))
    rows = [{"anomalous": True, "pixel_threshold": sys.float_info.max}] * 100
    insert_inspections(watched, rows)
    RecordWatcher(watched.database, lambda *bundle: promising).turn()
    assert [alarm.cause for alarm in found(watched)] == ["promise"]


def test_parts_that_could_not_be_judged_do_not_count_for_the_promise(watched: Record) -> None:
    promising = known_bundle(promised=0.02)
    insert_inspections(watched, [{"anomalous": True, "undecided": "{}"}] * 500)
    RecordWatcher(watched.database, lambda *bundle: promising).turn()
    assert found(watched) == []


def test_an_alarm_that_is_acknowledged_or_snoozed_calls_nobody(watched: Record) -> None:
    store(watched, facts(60, 2, brightness=-4.0))
    RecordWatcher(watched.database, known_of).turn()
    (alarm,) = found(watched)
    until = NOON_US + 60_000_000
    snoozed = snooze(watched.database, alarm.id, until_us=until, who="ann", client=None)
    assert not snoozed.calls(NOON_US) and snoozed.calls(until)
    noted = acknowledge(watched.database, alarm.id, who="ann", note="lamp", client=None)
    assert not noted.calls(until)
    assert (noted.acknowledged_by, noted.note, noted.ended_us) == ("ann", "lamp", None)


def test_a_replay_finds_the_alarms_that_were_kept(watched: Record) -> None:
    for at, moved in enumerate((0.0, -4.0, 0.0, -4.0)):
        store(watched, facts(150, at, brightness=moved), station="left")
        RecordWatcher(watched.database, known_of).turn()
        if at == 1:
            where = {"station": "left", "note": "", "who": "ann", "client": None}
            add_mark(watched.database, "maintenance", **where)  # type: ignore[arg-type]
    with watched.database.reading() as connection:
        again = ReplayStore(replay_begins(connection))
    while RecordWatcher(watched.database, known_of, again).turn().more:
        pass
    assert len(again.alarms) > 1
    assert again.alarms == found(watched)


def test_a_replay_begins_where_the_watch_did(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "CAUGHT_UP", 3)
    before = store(sqlite_record, facts(10, 1))
    RecordWatcher(sqlite_record.database, known_of).turn()
    store(sqlite_record, facts(10, 2))
    RecordWatcher(sqlite_record.database, known_of).turn()
    with sqlite_record.database.reading() as connection:
        assert replay_begins(connection) == WatchPosition(before[-1] - 3, 0)
