"""`takt prune`: removes bundle versions that nobody needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.commands.errors import plain_errors
from takt.commands.who import who_asks
from takt.core.errors import ConfigurationError
from takt.recording.record import existing_record, record_options

if TYPE_CHECKING:
    from takt.repository.pruning import PlannedVersion


@click.command()
@click.option(
    "--repository",
    help="Folder of bundles, <name>/<version>/ each, or the URL that `takt serve` has.  "
    "[TAKT_REPOSITORY; default: bundles]",
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="So many of the newest versions of each model stay.",
)
@click.option("--apply", "applies", is_flag=True, help="Remove them; without, only say so.")
@record_options
@plain_errors
def prune(repository: str | None, keep: int, applies: bool, data: Path, record: str) -> None:
    """Remove the versions of models that nobody needs, or say which ones these are.

    A version stays if it is active, if a rollback goes back to it, if it is among the newest, or
    if the record needs it: for an inspection whose picture is kept, or that somebody has judged.
    Only this one record is asked. Where servers with other records use the same repository, ask
    each before --apply.
    """
    from takt.configuration import load_settings
    from takt.mirroring.location import is_url, shown
    from takt.recording.needs import needs_of
    from takt.repository.pruning import plan_pruning, remove_leftovers, remove_version

    settings = load_settings({"repository": repository, "data_folder": data})
    folder = settings.repository_folder
    if applies and is_url(settings.repository):
        raise ConfigurationError(
            f"versions of {shown(settings.repository)} would be fetched again; remove there "
            f"what goes without --apply, and the copy in {folder} follows"
        )
    database = existing_record(data, record).database
    with database.reading() as connection:
        needs = needs_of(connection)
    planned = plan_pruning(folder, needs, keep)
    going = []
    for version in planned:
        click.echo(_line(version))
        if not version.stays:
            going.append(version)
    size = sum(version.bytes for version in going) / 1e6
    if not applies:
        click.echo(f"{len(going)} of {len(planned)} would go, {size:.1f} MB; --apply does it")
        return
    remove_leftovers(folder)
    removed = 0
    for version in going:
        reason = f"takt prune --keep {keep}"
        needed = remove_version(version, database, who_asks(), reason)
        if needed is None:
            removed += 1
        else:
            click.echo(f"{_name(version)} stays after all: {needed}")
    click.echo(f"{removed} of {len(planned)} removed")


def _name(version: PlannedVersion) -> str:
    return f"{version.path.parent.name} {version.path.name}"


def _line(version: PlannedVersion) -> str:
    what = f"stays: {'; '.join(version.stays)}" if version.stays else "goes"
    bundle = version.digest[:12] or "?"
    return f"{_name(version)}, bundle {bundle}, {version.bytes / 1e6:.1f} MB: {what}"
