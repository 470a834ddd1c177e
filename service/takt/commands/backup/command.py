"""`takt backup`: what a server has decided and kept, in one file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.commands.errors import plain_errors
from takt.commands.sign_key import read_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.commands.backup.places import ServerPlaces
    from takt.settings import Settings

_PATH = click.Path(path_type=Path)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where a server has what it decides and keeps; settings, as its own."""
    for name, meaning in (
        ("--record", "Database of the record.  [TAKT_RECORD; default: sqlite]"),
        ("--data-folder", "The server's data folder.  [TAKT_DATA_FOLDER; default: takt-data]"),
        ("--repository", "The server's bundles.  [TAKT_REPOSITORY; default: bundles]"),
        ("--keys-file", "The server's file of keys.  [TAKT_KEYS_FILE]"),
        ("--config", "The server's TOML file with settings.  [TAKT_CONFIG]"),
    ):
        kind = None if name in ("--record", "--repository") else _PATH
        command = click.option(name, type=kind, help=meaning)(command)
    return command


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@place_options
@click.option(
    "--sign-key",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=read_key,
    help="Also sign FILE with this private key, as `takt sign` does bundles.",
)
@plain_errors
def backup(
    file: Path, config: Path | None, sign_key: Ed25519PrivateKey | None, **given: Any
) -> None:
    """Write record, kept pictures, models, decisions, keys' digests and settings into FILE.

    The server may go on meanwhile. FILE is a tar.gz for this user alone, and appears once it is
    whole; `takt restore` puts it back. Run it as the server's user, with the server's settings. No
    private key goes in. A database in PostgreSQL is not in it; the command for it is printed.
    """
    from takt.commands.backup.archive import new_archive
    from takt.commands.backup.gathering import check_repository, gather
    from takt.configuration import load_settings
    from takt.core.distribution import version

    try:
        config = named_config(config)
        settings = load_settings(given, config=config)
        where = places_of(settings, config)
        if "repository" in settings.model_fields_set or where.repository.exists():
            check_repository(where.repository)
        kind = settings.record if settings.record in ("sqlite", "none") else "postgresql"
        if kind == "sqlite" and not (where.data / "record.sqlite").is_file():
            raise click.ClickException(
                f"there is no record in {where.data}; name the server's data folder with "
                "--data-folder, or say --record none"
            )
        about = {
            "takt": version(),
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "record": kind,
        }
        with new_archive(file, about, sign_key) as archive:
            gathered = gather(
                archive,
                where,
                record=kind != "none",
                database=kind == "sqlite",
                beside=file.absolute().parent,
                tell=lambda what: click.echo(f"left out: {what}", err=True),
            )
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
    parts = [
        "settings" if where.config else "",
        "keys' digests" if where.keys_file else "",
        "the record's database" if kind == "sqlite" else "",
        f"{gathered.pictures} pictures" if kind != "none" else "",
        f"{gathered.model_files} files of models",
    ]
    size = os.stat(file).st_size / 1e6
    click.echo(f"{file} has {', '.join(part for part in parts if part)}; {size:.1f} MB")
    if sign_key is not None:
        from takt.core.bundles.signing.keys import key_id

        click.echo(f"signed by the key {key_id(sign_key.public_key())}")
    elif settings.trusted_keys is not None:
        click.echo(
            "warning: it is not signed, and with trusted_keys `takt restore` refuses it; "
            "--sign-key FILE signs a backup"
        )
    if kind == "postgresql":
        click.echo(
            "the database is not in it; now run\n"
            f"  pg_dump --format=custom --file=record.dump {for_postgresql(settings.record)}"
        )


def named_config(config: Path | None) -> Path | None:
    """The file of settings that was named, by the option or in the environment."""
    named = os.environ.get("TAKT_CONFIG")
    return config or (Path(named) if named else None)


def places_of(settings: Settings, config: Path | None) -> ServerPlaces:
    """Where a server with these settings has what is backed up."""
    from takt.commands.backup.places import ServerPlaces

    return ServerPlaces(
        settings.data_folder, settings.repository_folder, settings.keys_file, config
    )


def for_postgresql(record: str) -> str:
    """A database's URL as PostgreSQL's own programs take it, without a password: they ask for it.

    >>> for_postgresql("postgresql+psycopg://takt:word@db/line")
    'postgresql://takt@db/line'
    """
    from sqlalchemy.engine import make_url

    url = make_url(record).set(drivername="postgresql")._replace(password=None)
    secrets = [name for name in url.query if "pass" in name]
    return shlex.quote(url.difference_update_query(secrets).render_as_string())
