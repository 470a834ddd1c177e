"""`takt restore`: puts what `takt backup` has written into empty folders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.audit import report
from service.commands.backup.command import (
    for_postgresql,
    named_config,
    place_options,
    places_of,
)
from service.commands.errors import plain_errors

if TYPE_CHECKING:
    from service.commands.backup.restoring import Contents
    from service.settings import Settings


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@place_options
@plain_errors
def restore(file: Path, config: Path | None, **given: Any) -> None:
    """Put the backup FILE into the server's folders, which must be empty; the server is stopped.

    Every digest is checked before anything is written. Then rows are compared with pictures, and
    the audit log with its head, as `takt audit verify` does; it ends with 1 where that is broken.
    Settings in the backup hold here, too, but for what options and environment say.
    """
    from service.commands.backup.restoring import check_backup
    from service.commands.backup.restoring import restore as put_back

    try:
        with open(file, "rb") as stream:
            contents = check_backup(file, stream)
            config = named_config(config)
            settings = _settings(contents, config, given)
            where = places_of(settings, config)
            put_back(file, stream, contents, where)
        click.echo(
            f"restored what Takt {contents.takt} has backed up at {contents.made_at}: "
            f"{contents.pictures} pictures, {contents.model_files} files of models"
        )
        if contents.record == "sqlite":
            _check_record(where.data)
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
    if contents.record == "postgresql":
        database = for_postgresql(settings.record) if "://" in settings.record else "URL"
        click.echo(
            "the database is not in it; now run\n"
            f"  pg_restore --no-owner --dbname={database} record.dump\n"
            "  takt records check --repair\n"
            "  takt audit verify"
        )


def _settings(contents: Contents, config: Path | None, given: dict[str, Any]) -> Settings:
    """The settings by which the server will find what is restored."""
    from service.configuration import load_settings

    if contents.config is None:
        return load_settings(given, config=config)
    with tempfile.NamedTemporaryFile(suffix=".toml") as kept:
        kept.write(contents.config)
        kept.flush()
        return load_settings(given, config=Path(kept.name))


def _check_record(data: Path) -> None:
    """Compare rows with pictures and the audit log with its head, and say what was found."""
    from service.recording.audit.verify import check_kept
    from service.recording.check import check_record, repair
    from service.recording.record import existing_record

    record = existing_record(data, "sqlite")
    checked = check_record(record, young_s=0.0)
    repair(record, checked)
    click.echo(f"{checked.rows} inspections with a picture, {checked.files} pictures")
    if checked.missing:
        click.echo(
            f"{len(checked.missing)} of these inspections have none any more: it was gone as the "
            "backup was taken"
        )
    report(check_kept(record.database))
