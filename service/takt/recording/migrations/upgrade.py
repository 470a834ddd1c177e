"""Brings the tables of an older release up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from takt.core.errors import RecordError


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply every revision that the database lacks, in the caller's transaction.

    Args:
        connection: to the database.
        revision: the last one to apply.

    Raises:
        RecordError: the database is of no release that this one knows.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise RecordError(
            f"the record was written by a release of Takt that this one does not know: {error}"
        ) from error
