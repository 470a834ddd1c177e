"""A server's folders to back up, and places to restore to."""

from __future__ import annotations

import tarfile
from pathlib import Path

from click.testing import Result

from takt.commands.backup.command import backup
from takt.commands.backup.restore import restore
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from tests.commands import run
from tests.recorded import NOON_US, insert_inspections

KEYS = "version = 1\n"


class Line:
    """A server's folders, with something in each, and a second set of places that are empty."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.record = record
        self.file = folder / "line.takt"
        self.repository = folder / "models"
        self.keys = folder / "keys.toml"
        self.config = folder / "takt.toml"
        self.new = folder / "new"
        self.keys.write_text(KEYS)
        self.config.write_text("port = 8123\n")

    def keep(self, picture: bytes, **row: object) -> Path:
        """Record an inspection with its picture."""
        key = PictureKey(NOON_US, sha256_of(picture), format_of(picture))
        self.record.pictures.write(key, picture)
        digest = bytes.fromhex(key.sha256)
        given = {"sha256": digest, "input_format": key.input_format, "picture": True} | row
        insert_inspections(self.record, [given])
        return self.record.pictures.folder / key.path

    def backup(self, *further: object) -> Result:
        given = ("--data-folder", self.record.folder, "--repository", self.repository)
        own = ("--record", "sqlite", "--keys-file", self.keys, "--config", self.config)
        return run(backup, self.file, *given, *own, *further)

    def restore(self, *further: object) -> Result:
        given = ("--data-folder", self.new / "data", "--repository", self.new / "models")
        own = ("--keys-file", self.new / "keys.toml", "--config", self.new / "takt.toml")
        return run(restore, self.file, *given, *own, *further)

    def names(self) -> list[str]:
        with tarfile.open(self.file) as tar:
            return tar.getnames()


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
