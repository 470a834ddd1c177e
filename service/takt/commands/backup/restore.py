"""`takt restore`: puts what `takt backup` has written into empty folders."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.commands.audit import report
from takt.commands.backup.command import (
    for_postgresql,
    named_config,
    place_options,
    places_of,
)
from takt.commands.columns import plain
from takt.commands.errors import plain_errors

if TYPE_CHECKING:
    from takt.settings import Settings

_PLACES = ("data_folder", "repository", "keys_file")
_MOST_CHARACTERS = 200


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@place_options
@click.option(
    "--trusted-keys",
    type=click.Path(path_type=Path),
    help="Public keys of which one must have signed FILE.  [TAKT_TRUSTED_KEYS]",
)
@plain_errors
def restore(file: Path, config: Path | None, **given: Any) -> None:
    """Put the backup FILE into the server's folders, which must be empty; the server is stopped.

    Options and environment say where it goes, and a file of settings that is there already; the
    settings in FILE decide no place. Every digest is checked before anything is written. Then rows
    are compared with pictures, and the audit log with its head, as `takt audit verify` does. Where
    anything is wrong, nothing stays.
    """
    from takt.commands.backup.places import CONFIG
    from takt.commands.backup.reading import WrittenArchive
    from takt.commands.backup.restoring import check_backup, restored

    try:
        with open(file, "rb") as stream:
            archive = WrittenArchive(file, stream)
            contents = check_backup(archive)
            config = named_config(config)
            told = contents.named.get(CONFIG)
            settings = _settings(told, config, given)
            _tell_signer(archive.signer(settings.trusted_keys), settings)
            if told is not None:
                _refuse_other_places(file, told, settings, given)
            where = places_of(settings, config)
            with restored(archive, contents, where) as written:
                if contents.database:
                    _check_record(where.data)
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
    about = contents.about
    click.echo(f"restored what Takt {about.takt} has backed up at {about.made_at}:")
    for place in written:
        click.echo(f"  {place}")
    if contents.pictures:
        click.echo(f"  {where.pictures}: {contents.pictures} pictures")
    if contents.model_files:
        click.echo(f"  {where.repository}: {contents.model_files} files of models")
    if contents.in_postgresql:
        database = for_postgresql(settings.record) if "://" in settings.record else "URL"
        click.echo(
            "the database is not in it; now run\n"
            f"  pg_restore --no-owner --dbname={database} record.dump\n"
            "  takt records check --repair\n"
            "  takt audit verify"
        )


def _settings(told: bytes | None, config: Path | None, given: dict[str, Any]) -> Settings:
    """The settings of this machine: a file of the backup that is yet to be written has no say."""
    from takt.configuration import load_settings

    if told is not None and (config is None or not config.exists()):
        config = Path(os.devnull)
    return load_settings(given, config=config)


def _tell_signer(signer: str | None, settings: Settings) -> None:
    if signer is not None:
        unchecked = "" if settings.trusted_keys else ", says the file; --trusted-keys checks that"
        click.echo(f"signed by the key {signer}{unchecked}")


def _refuse_other_places(file: Path, told: bytes, own: Settings, given: dict[str, Any]) -> None:
    """Show places that the settings in a backup name, and that nobody here has named.

    Raises:
        ConfigurationError: there are some, or these are no settings.
    """
    from takt.configuration import load_settings, without_secrets
    from takt.core.errors import ConfigurationError

    with _written(told) as kept:
        try:
            others = load_settings(given, config=kept)
        except (ConfigurationError, RecursionError) as error:
            said = plain(str(error)).replace(str(kept), "takt.toml")[:_MOST_CHARACTERS]
            raise ConfigurationError(f"{file}: takt.toml has no settings: {said}") from None
    differ = [name for name in _PLACES if getattr(others, name) != getattr(own, name)]
    if differ:
        theirs, ours = without_secrets(others), without_secrets(own)
        shown = ", ".join(
            f"{name}={plain(str(theirs[name]))[:_MOST_CHARACTERS]}"
            f" (here {ours[name] or 'not named'})"
            for name in differ
        )
        options = " and ".join(f"--{name.replace('_', '-')}" for name in differ)
        raise ConfigurationError(
            f"the settings in {file} name other places: {shown}; a backup does not decide where "
            f"it goes, so say that with {options}"
        )


@contextlib.contextmanager
def _written(told: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".toml") as kept:
        kept.write(told)
        kept.flush()
        yield Path(kept.name)


def _check_record(data: Path) -> None:
    """Compare rows with pictures and the audit log with its head, and say what was found.

    Raises:
        ClickException: something is wrong with it.
    """
    from takt.commands.backup.database import check_database
    from takt.core.errors import TaktError
    from takt.recording.audit.verify import check_kept
    from takt.recording.check import check_record, repair
    from takt.recording.record import open_record

    try:
        check_database(data / "record.sqlite")
        record = open_record(data, "sqlite")
        assert record is not None
        with contextlib.closing(record):
            checked = check_record(record, young_s=0.0)
            repair(record, checked)
            click.echo(f"{checked.rows} inspections with a picture, {checked.files} pictures")
            if checked.missing:
                click.echo(
                    f"{len(checked.missing)} of these inspections have none any more: it was gone "
                    "as the backup was taken"
                )
            report(check_kept(record.database))
    except (TaktError, click.ClickException) as error:
        raise click.ClickException(
            f"{error}; nothing of the backup stays here, and `tar -xzf` takes it apart all the same"
        ) from None
