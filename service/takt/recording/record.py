"""Where the record is: a database, and a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.core.errors import ConfigurationError
from takt.recording.settings import RecordSettings

if TYPE_CHECKING:
    from takt.recording.database import Database
    from takt.recording.pictures import PictureStore


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its database, and the pictures that belong to it."""

    database: Database
    pictures: PictureStore

    @property
    def folder(self) -> Path:
        """Where the pictures lie, and what is kept beside the database."""
        return self.pictures.folder.parent

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()


def open_record(data: Path, record: str) -> Record | None:
    """The record of a server or a command; None for `none`. Nothing is connected yet.

    Args:
        data: folder of the pictures and of SQLite's file.
        record: `sqlite`, `none` or a URL.

    Raises:
        ConfigurationError: no such database is known, or its driver is not installed.
    """
    if record == "none":
        return None
    # Commands have the options below without paying for a database that they do not open.
    from takt.recording.database import Database
    from takt.recording.pictures import PictureStore

    url = f"sqlite:///{data / 'record.sqlite'}" if record == "sqlite" else record
    return Record(Database(url, data), PictureStore(data / "pictures"))


def existing_record(data: Path, record: str) -> Record:
    """The record that a command reads; it is closed when the command ends.

    Raises:
        ConfigurationError: there is none, or no such database is known.
    """
    found = open_record(data, record)
    if found is None:
        raise ConfigurationError("--record none keeps no record; name the one to read")
    if record == "sqlite" and not (data / "record.sqlite").is_file():
        raise ConfigurationError(
            f"there is no record in {data}; name the server's data folder with --data-folder"
        )
    click.get_current_context().call_on_close(found.close)
    return found


def record_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--data-folder` and `--record` of a command that reads the record."""
    command = _option("record", "record")(command)
    return _option("data_folder", "data", click.Path(path_type=Path))(command)


def _option(
    setting: str, parameter: str, kind: click.Path | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option of a setting of the record, which a command gets as a parameter."""
    field = RecordSettings.model_fields[setting]
    return click.option(
        f"--{setting.replace('_', '-')}",
        parameter,
        type=kind,
        default=field.default,
        envvar=f"TAKT_{setting.upper()}",
        show_default=True,
        help=field.description,
    )
