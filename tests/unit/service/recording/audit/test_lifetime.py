"""What a server appends at its start and in its lifetime, by what the log knows of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import FILE, FOLDER, SERVER, Change, Entry
from takt.recording.audit.known import MEANWHILE
from takt.recording.audit.lifetime import (
    exchanged_keys,
    note_keys,
    note_models,
    note_start,
    note_stop,
)
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.audit.served import ServedModel, ServedVersion, activation, version_change
from takt.recording.audit.trail import AuditTrail
from takt.recording.record import Record
from takt.security.keys.key import Key, new_key

ONE = ServedVersion("aa", 0.5, 0.4)
MODELS = {"parts": ServedModel("1", {"1": ONE})}
SETTINGS = {"port": 8000, "engine": "auto"}
LINE, _ = new_key("line3", frozenset({"inspect"}))
CREATED = LINE.created.isoformat() if LINE.created else None


@contextmanager
def running(
    record: Record,
    settings: dict[str, Any] = SETTINGS,
    keys: tuple[Key, ...] = (LINE,),
    models: dict[str, ServedModel] | None = None,
    server: str = "line3:8000",
) -> Iterator[AuditTrail]:
    """A server, from its start to its end."""
    trail = AuditTrail(record.database, AuditMetrics(CollectorRegistry()), server)
    trail.begin()
    note_start(trail, "0.1.0", settings, keys)
    note_models(trail, MODELS if models is None else models)
    try:
        yield trail
    finally:
        note_stop(trail)
        trail.close(60)


def run(record: Record, **given: Any) -> list[Entry]:
    """Start and end a server; the entries between its first and its last."""
    before = len(list(entries_of(record.database)))
    with running(record, **given):
        pass
    return list(entries_of(record.database))[before:]


def told(entries: list[Entry]) -> list[tuple[str, str, Any, Any]]:
    """Who did what, old and new, of the entries that tell of a change."""
    usual = ("server_started", "models_loaded", "server_stopped")
    return [
        (one.who, one.action, json.loads(one.old or "null"), json.loads(one.new or "null"))
        for one in entries
        if one.action not in usual
    ]


def test_a_start_says_what_is_set_who_may_ask_and_what_is_served(sqlite_record: Record) -> None:
    started, loaded, stopped = run(sqlite_record)
    assert (started.action, started.who, started.server) == ("server_started", SERVER, "line3:8000")
    assert json.loads(started.new or "") == {
        "takt": "0.1.0",
        "settings": SETTINGS,
        "keys": {
            "line3": {"name": "line3", "scopes": ["inspect"], "created": CREATED, "expires": None}
        },
    }
    assert json.loads(loaded.new or "") == {
        "models": {
            "parts": {
                "active": "1",
                "versions": {"1": {"digest": "aa", "image": 0.5, "pixel": 0.4, "undecided": False}},
            }
        }
    }
    assert stopped.action == "server_stopped"


def test_the_log_has_the_heads_alone_of_entries_that_hold_everything(
    sqlite_record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "takt.audit")
    started, loaded, _ = run(sqlite_record)
    lines = {line.getMessage().split()[0]: line.getMessage() for line in caplog.records}
    for entry in (started, loaded):
        assert entry.hash in lines[entry.action]
        assert "settings" not in lines[entry.action] and "versions" not in lines[entry.action]


def test_a_start_like_the_last_one_tells_of_no_change(sqlite_record: Record) -> None:
    run(sqlite_record)
    assert told(run(sqlite_record)) == []


def test_settings_that_differ_from_the_last_start_are_told(sqlite_record: Record) -> None:
    run(sqlite_record)
    changed = run(sqlite_record, settings={"port": 8000, "engine": "cuda", "docs": False})
    assert told(changed) == [
        (
            SERVER,
            "settings_changed",
            {"docs": None, "engine": "auto"},
            {"docs": False, "engine": "cuda"},
        )
    ]


def test_keys_and_models_that_changed_while_nobody_was_there_are_told(record: Record) -> None:
    run(record)
    models = {
        "parts": ServedModel("2", {"1": replace(ONE, image=0.7), "2": ServedVersion("bb", 1, 1)}),
        "nuts": ServedModel("1", {"1": ServedVersion("cc", 1, 1)}),
    }
    other, _ = new_key("panel", frozenset({"read"}))
    entries = run(record, keys=(other,), models=models)

    assert [(who, action) for who, action, _, _ in told(entries)] == [
        (FILE, "key_revoked"),
        (FILE, "key_added"),
        (FOLDER, "version_added"),
        (FILE, "version_activated"),
        (FILE, "threshold_changed"),
        (FOLDER, "version_added"),
        (FILE, "version_activated"),
    ]
    changes = [one for one in entries if one.action == "threshold_changed"]
    assert [(one.model, one.version, one.reason) for one in changes] == [("parts", "1", MEANWHILE)]
    before = {"pixel": 0.4, "undecided": False}
    assert told(changes)[0][2:] == ({**before, "image": 0.5}, {**before, "image": 0.7})
    assert told(run(record, keys=(other,), models=models)) == []


def test_a_version_that_is_another_or_gone_at_the_start_is_told(sqlite_record: Record) -> None:
    both = {"parts": ServedModel("1", {"1": ONE, "2": ServedVersion("bb", 1, 1)})}
    run(sqlite_record, models=both)
    entries = run(
        sqlite_record, models={"parts": ServedModel("1", {"1": replace(ONE, digest="dd")})}
    )
    assert [(who, action) for who, action, _, _ in told(entries)] == [
        (FOLDER, "version_changed"),
        (FOLDER, "version_removed"),
    ]


def test_what_was_changed_while_it_ran_is_known_at_the_next_start(record: Record) -> None:
    added, _ = new_key("panel", frozenset({"read"}))
    two = ServedVersion("bb", 0.3, 0.3)
    with running(record) as trail:
        note_keys(trail, (LINE,), (LINE, added))
        trail.tell(version_change("parts", "2", None, two))
        trail.tell(activation("leader", "parts", "1", "2", "better"))
        trail.tell(
            Change("leader", "threshold_changed", "parts", "1", new={"image": 9, "pixel": 8})
        )
        trail.tell(version_change("nuts", "1", ONE, None))
    models = {"parts": ServedModel("2", {"1": ServedVersion("aa", 9, 8), "2": two})}
    entries = run(record, keys=(LINE, added), models=models)
    assert told(entries) == []


def test_servers_of_one_record_do_not_mix(record: Record) -> None:
    run(record)
    other = {"nuts": ServedModel("1", {"1": ONE})}
    run(record, server="line4:8000", settings={"port": 1}, keys=(), models=other)
    assert told(run(record)) == []
    entries = run(record, server="line4:8000", settings={"port": 1}, keys=(), models=other)
    assert told(entries) == []


def test_a_new_container_goes_on_from_the_server_that_started_last(sqlite_record: Record) -> None:
    run(sqlite_record, server="pod-a:8000")
    entries = run(sqlite_record, server="pod-b:8000", settings=SETTINGS | {"engine": "cuda"})
    assert told(entries) == [(SERVER, "settings_changed", {"engine": "auto"}, {"engine": "cuda"})]


def test_a_key_that_came_went_or_is_another_is_told_without_its_secret_or_digest() -> None:
    again, secret = new_key("line3", frozenset({"inspect"}))
    again = replace(again, created=LINE.created)
    later = replace(LINE, expires=datetime(2030, 1, 1, tzinfo=UTC))
    gone, _ = new_key("gone", frozenset({"read"}))

    def actions(before: tuple[Key, ...], after: tuple[Key, ...]) -> list[str]:
        changes = list(exchanged_keys(before, after))
        for word in (secret, LINE.digest.hex(), again.digest.hex(), gone.digest.hex()):
            assert word not in repr(changes)
        return [one.action for one in changes]

    assert actions((LINE,), (LINE,)) == []
    assert actions((LINE, gone), (LINE,)) == ["key_revoked"]
    assert actions((LINE,), (LINE, gone)) == ["key_added"]
    assert actions((LINE,), (later,)) == ["key_changed"]
    assert actions((LINE,), (again,)) == ["key_revoked", "key_added"]
