"""`takt records alarms`: what the watch has found, and whether it would find the same again."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.commands.record import OpenRecord, reads_record
from takt.core.errors import BundleError
from takt.digits import short

if TYPE_CHECKING:
    from takt.recording.record import Record
    from takt.recording.watch.alarms import StoredAlarm
    from takt.recording.watch.known import KnownBundle

_CAUSES = {
    "camera": "camera or light have changed",
    "defects": "more defects",
    "promise": "rejects more than promised",
}


@click.command()
@click.option("--standing", is_flag=True, help="Only those that have not ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one alarm a line.")
@click.option(
    "--replay",
    is_flag=True,
    help="Go through the recorded pictures anew, and say whether the same alarms are found.",
)
@click.option(
    "--repository",
    help="Folder of bundles, for --replay, or the URL that `takt serve` has.  [TAKT_REPOSITORY; "
    "default: bundles]",
)
@reads_record
def alarms(
    standing: bool, as_json: bool, replay: bool, repository: str | None, open_record: OpenRecord
) -> None:
    """List the alarms of the watch, the latest last.

    With --replay those that the watch finds when it goes through the recorded pictures anew. It
    exits with 1 if these are others than it found at the time: rows or versions have gone since, or
    a version is another one.
    """
    opened = open_record()
    found = kept = _kept(opened)
    if replay:
        from takt.configuration import load_settings

        settings = load_settings({"repository": repository, "data_folder": opened.folder})
        found, pictures = _replayed(opened, settings.repository_folder)
        click.echo(f"{pictures} pictures were gone through anew", err=True)
    for one in found:
        if not standing or one.ended_us is None:
            click.echo(json.dumps(asdict(one)) if as_json else _line(one))
    if replay and [*map(_what, kept)] != [*map(_what, found)]:
        raise click.ClickException(
            f"the record has {len(kept)} alarms, and {len(found)} are found now: not the same"
        )


def _kept(record: Record) -> Sequence[StoredAlarm]:
    from takt.recording.watch.alarms import MOST_AT_ONCE, alarms_of

    with record.database.reading() as connection:
        return alarms_of(connection, limit=MOST_AT_ONCE)[::-1]


def _replayed(record: Record, repository: Path) -> tuple[Sequence[StoredAlarm], int]:
    from takt.recording.watch.activations import Activations
    from takt.recording.watch.store import ReplayStore, replay_begins
    from takt.recording.watch.watcher import RecordWatcher

    @functools.cache
    def known_of(model: str, version: str, digest: str) -> KnownBundle | None:
        from takt.core.bundles.bundle import load_bundle
        from takt.recording.watch.known import KnownBundle

        try:
            bundle = load_bundle(repository / model / version)
        except BundleError:
            bundle = None
        if bundle is None or bundle.digest != digest:
            click.echo(f"version {version} of {model} is not there any more: passed over", err=True)
            return None
        return KnownBundle.of(bundle)

    with record.database.reading() as connection:
        store = ReplayStore(replay_begins(connection))
        was_active = Activations(connection).was_active
    watcher = RecordWatcher(record.database, known_of, store, was_active)
    pictures, more = 0, True
    while more:
        turn = watcher.turn()
        pictures, more = pictures + turn.seen, turn.more
    return store.alarms, pictures


def _what(alarm: StoredAlarm) -> tuple[Any, ...]:
    """What a replay has to find again: people say the rest."""
    return alarm.model, alarm.station, alarm.cause, alarm.since_id, alarm.raised_id, alarm.ended_us


def _line(alarm: StoredAlarm) -> str:
    first = alarm.moved[0]
    where = f"{alarm.model} {alarm.version}" + (f" at {alarm.station}" if alarm.station else "")
    moved = f"{first.fact} {short(first.now)} instead of {short(first.usual)}"
    end = "stands" if alarm.ended_us is None else f"ended {_date(alarm.ended_us)}"
    noted = f", noted by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
    return (
        f"{alarm.id:>5}  {_date(alarm.raised_us)}  {where}: {_CAUSES[alarm.cause]} since "
        f"inspection {alarm.since_id} ({moved}); {end}{noted}"
    )


def _date(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
