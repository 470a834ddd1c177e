"""What the plugins' tests have in common with the project's."""

from __future__ import annotations

from tests.conftest import (
    anyio_backend,
    bundle,
    install_plugins,
    make_bundle,
    migrated_once,
    picture_bytes,
    postgres,
    record,
    repository,
    sqlite_record,
    write_pictures,
)

__all__ = [
    "anyio_backend",
    "bundle",
    "install_plugins",
    "make_bundle",
    "migrated_once",
    "picture_bytes",
    "postgres",
    "record",
    "repository",
    "sqlite_record",
    "write_pictures",
]
