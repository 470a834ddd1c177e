"""The migrations of a record run once for all new databases in SQLite of a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, inspect

from takt.recording.migrations import upgrade

TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
REVISION = "SELECT version_num FROM alembic_version"


@contextmanager
def each_migration_once() -> Iterator[None]:
    """An empty database in SQLite gets what the migrations have made of the first one.

    What holds something already goes through the migrations, as does any other database.
    """
    migrate = upgrade.upgrade
    made: list[str] = []

    def upgrade_once(connection: Connection, revision: str = "head") -> None:
        in_sqlite = connection.dialect.name == "sqlite"
        if revision != "head" or not in_sqlite or inspect(connection).get_table_names():
            migrate(connection, revision)
            return
        if made:
            for statement in made:
                connection.exec_driver_sql(statement)
            return
        migrate(connection)
        (found,) = connection.exec_driver_sql(REVISION).scalars()
        tables = connection.exec_driver_sql(TABLES).scalars().all()
        made.extend((*tables, f"INSERT INTO alembic_version VALUES ('{found}')"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrade, "upgrade", upgrade_once)
        yield
