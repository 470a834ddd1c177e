"""Whether a file of SQLite is a record as our own migrations make it, and nothing besides.

A view, a trigger or an expression in it would run wherever the record is opened, without an end
if somebody wants that. So whatever we have not made is refused before the record is opened.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine

from takt.core.errors import ConfigurationError, RecordError
from takt.recording.audit.entry import LAST_US
from takt.recording.database import HEAD

_VERSION: Final = "alembic_version"
_MOST_BYTES: Final = 4 << 20
"""Of a value: all settings of a server, and all that it serves, are far less."""
_KINDS: Final = {
    "FLOAT": ("real", "integer"),
    "TEXT": ("text",),
    "VARCHAR(32)": ("text",),
    "BLOB": ("blob",),
}
"""Of values, by what a column is declared as; those of all others are integers."""

_Made = tuple[str, str, str, str]
"""An object of a schema: type, name, table, and what has made it."""


def check_database(file: Path) -> None:
    """Check the record of a backup, before anything else opens it.

    Raises:
        ConfigurationError: it is no record, or it has what no migration makes.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
            found = _schema(connection)
            wanted = _made_at(_revision(connection, found))
            if odd := sorted(name for _, name, *_ in found ^ wanted):
                raise _foreign(odd[0])
            for kind, table, *_ in wanted:
                if kind == "table":
                    _check_values(connection, table)
    except (sqlite3.Error, UnicodeError) as error:
        raise ConfigurationError(f"the backup's database is damaged: {error}") from error


def foreign_in(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Type and name of what is in a record's database, and no migration makes.

    None, where the migrations are those of a newer release, or cannot be told.
    """
    found = _schema(connection)
    try:
        _revision(connection, found)
    except ConfigurationError:
        return []
    ours = {name for _, name, *_ in _made_at(HEAD)}
    order = ("trigger", "view", "index", "table")
    return [
        (kind, name)
        for kind, name, *_ in sorted(found, key=lambda one: (order.index(one[0]), one[1]))
        if name not in ours and not name.startswith("sqlite_autoindex_")
    ]


def _foreign(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the backup's database is none that Takt has made: {name[:100]!r} is not as it should be"
    )


def _schema(connection: sqlite3.Connection) -> frozenset[_Made]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    return frozenset((kind, name, table, _plain(sql)) for kind, name, table, sql in rows)


def _plain(sql: str | None) -> str:
    """A statement as every release writes it, whatever its spaces and quotes are."""
    return re.sub(r'[\s"`\[\]]', "", sql or "").casefold()


def _revision(connection: sqlite3.Connection, found: frozenset[_Made]) -> str | None:
    """The last migration of a database; None where it has no tables yet."""
    told = {one for one in found if one[1] == _VERSION}
    if not told:
        return None
    if told - _made_at(HEAD):  # else it could be a view, which runs as soon as it is read
        raise _foreign(_VERSION)
    rows = connection.execute(f"SELECT version_num FROM {_VERSION} LIMIT 2").fetchall()
    if len(rows) != 1 or not re.fullmatch(r"\d{4}", str(rows[0][0]), re.ASCII):
        raise _foreign(_VERSION)
    if (revision := str(rows[0][0])) > HEAD:
        raise ConfigurationError(
            f"the backup is of a newer release of Takt (its tables are {revision}, and this "
            f"release knows {HEAD}); restore it by that one"
        )
    return revision


@functools.cache
def _made_at(revision: str | None) -> frozenset[_Made]:
    """What the migrations make, up to one of them."""
    if revision is None:
        return frozenset()
    from takt.recording.migrations.upgrade import upgrade

    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            upgrade(connection, revision)
            return _schema(connection.connection.driver_connection)  # type: ignore[arg-type]
    except RecordError:
        raise _foreign(_VERSION) from None
    finally:
        engine.dispose()


def _check_values(connection: sqlite3.Connection, table: str) -> None:
    """Compare every value with its column, as SQLite itself takes any value in any column."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    wanted = [
        part for _, name, kind, required, *_ in columns for part in _right(name, kind, required)
    ]
    if table == "inspections":
        wanted.append("(NOT picture OR sha256 IS NOT NULL)")
    rows = connection.execute(f"SELECT 1 FROM {table} WHERE NOT ({' AND '.join(wanted)}) LIMIT 1")
    if rows.fetchall():
        raise ConfigurationError(
            f"the backup's database is none that Takt has written: {table} has values of other "
            "kinds than it should"
        )


def _right(name: str, kind: str, required: int) -> Iterator[str]:
    kinds = (*_KINDS.get(kind, ("integer",)), *(() if required else ("null",)))
    quoted = ", ".join(f"'{one}'" for one in kinds)
    yield f"typeof({name}) IN ({quoted})"
    if kind in ("TEXT", "BLOB"):
        yield f"coalesce(length({name}), 0) <= {_MOST_BYTES}"
    elif kind == "BOOLEAN":
        yield f"{name} IN (0, 1)"
    elif name.endswith("_us"):
        yield f"coalesce({name}, 0) BETWEEN 0 AND {LAST_US}"
