"""The database of the record: opened, brought up to date, read and written."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
    StatementError,
)

from takt.core.bundles.files import make_private, private_file
from takt.core.errors import ConfigurationError, RecordError

if TYPE_CHECKING:
    from takt.recording.audit.metrics import AuditMetrics

HEAD = "0009"
"""The newest revision in `migrations/versions/`."""

_BUSY_S = 5.0
"""Longest wait for a lock of another process."""


class RefusedRowsError(RecordError):
    """The database answers, and does not take these very rows."""


class NewerRecordError(RecordError):
    """A newer release has brought the tables up to date, and this one does not know them."""


class Database:
    """One database, in SQLite or PostgreSQL; any thread may use it.

    Nothing is connected before the first use, which also brings the tables up to date.

    >>> import tempfile
    >>> from takt.recording.tables import sources
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"sqlite:///{folder}/record.sqlite")
    ...     with database.reading() as connection:
    ...         len(connection.execute(sources.select()).all())
    ...     database.close()
    0

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.
        beside: folder for what is kept of it outside of it; None for nothing.

    Attributes:
        writer: who writes, as entries of the audit log name it: the server that has opened it; the
            host where that is a command.
        audit_metrics: of the server that has opened it, which count every entry of the audit log;
            None where that is a command.

    Raises:
        ConfigurationError: no such database is known, or its driver is not installed.
    """

    def __init__(self, url: str, beside: Path | None = None) -> None:
        self.beside = beside
        self.writer = socket.gethostname()
        self.audit_metrics: AuditMetrics | None = None
        self._engine = _engine(url)
        self._preparing = threading.Lock()
        self._prepared = threading.Event()

    @property
    def name(self) -> str:
        """What it is, without a password."""
        url = self._engine.url
        passwords = {name: "hidden" for name in url.query if "pass" in name}
        return url.update_query_dict(passwords).render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether one file holds it."""
        return self._engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database; keep it for a moment only.

        Raises:
            RecordError: the database cannot be reached or read.
        """
        self.prepare()
        with _ours(self.name), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Connection]:
        """A connection with one transaction, committed at the end of the block.

        Args:
            durable: whether it is on the disk by then. In SQLite others are in the file, and a loss
                of power may take those of the last moments; in PostgreSQL it is as
                `synchronous_commit` of the database says, unless that is `off`.

        Raises:
            RecordError: the database cannot be reached or written; nothing has changed.
        """
        self.prepare()
        with _ours(self.name), self._engine.connect() as plain:
            connection = plain.execution_options(
                takt_writes=True, takt_durable=durable, takt_writer=self.writer
            )
            with connection.begin():
                yield connection

    def check_writable(self) -> None:
        """Write something that changes nothing; one that is read may be full, or for readers only.

        Raises:
            RecordError: the database does not take it.
        """
        with self.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def in_order(
        self, wanted: Select[*tuple[Any, ...]], number: ColumnElement[int], at_once: int = 1000
    ) -> Iterator[Row[*tuple[Any, ...]]]:
        """Rows by their numbers, some at a time, so that no transaction is long.

        Args:
            wanted: the rows, which have that number among their columns.
            number: the column.
            at_once: most rows of one transaction.

        Raises:
            RecordError: the database cannot be reached or read.
        """
        some = wanted.order_by(number).limit(at_once)
        after = some
        while True:
            with self.reading() as connection:
                found = connection.execute(after).all()
            yield from found
            if len(found) < at_once:
                return
            after = some.where(number > found[-1]._mapping[number])

    def prepare(self) -> None:
        """Make the tables, or bring those of an older release up to date; once.

        Raises:
            NewerRecordError: a newer release has brought them up to date.
            RecordError: the database cannot be reached or written.
        """
        if self._prepared.is_set():
            return
        with self._preparing:
            if not self._prepared.is_set():
                with _ours(self.name):
                    self._upgrade()
                self._prepared.set()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _upgrade(self) -> None:
        if self.is_sqlite:
            # SQLite gives its log, too, the mode of the database.
            file = Path(str(self._engine.url.database))
            make_private(file.parent)
            open(file, "ab", opener=private_file).close()
        with self._engine.connect() as plain:
            connection = plain.execution_options(takt_writes=True)
            # One process at a time; whoever comes second finds the work done.
            with connection.begin():
                hold(connection, 7351)
                found = _revision(connection)
                if found is not None and found > HEAD:
                    raise NewerRecordError(
                        f"the record {self.name} was brought up to date by a newer release of Takt "
                        f"(its tables are {found}, and this release knows {HEAD}): start that one "
                        "again, or restore the backup from before it"
                    )
                if found != HEAD:
                    from takt.recording.migrations.upgrade import upgrade

                    upgrade(connection)


def writer_of(connection: Connection) -> str:
    """Who writes: the `writer` of the database whose `Database.writing` this is."""
    writer: str = connection.get_execution_options()["takt_writer"]
    return writer


def hold(connection: Connection, lock: int) -> None:
    """Wait until nobody else holds a lock, and hold it until the transaction ends.

    Args:
        connection: with a transaction that writes.
        lock: its number in PostgreSQL; SQLite has one writer at a time anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({lock})"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_S})
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)
            return engine
        # The rest of a password with an @ would be shown as the host.
        if "@" in (parsed.host or ""):
            raise ArgumentError
        if parsed.drivername in ("postgresql", "postgresql+psycopg"):
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": 3,
                    # A host that went away without a word is noticed, and no lock is waited for
                    # without an end.
                    "tcp_user_timeout": 10_000,
                    "options": f"-c lock_timeout={int(_BUSY_S * 1000)}",
                },
            )
            event.listen(engine, "begin", _on_begin_elsewhere)
            return engine
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigurationError(
            f"the record's URL {_shown(url)} cannot be understood; it looks like "
            "postgresql://user:password@host/database, with %40 for an @ in the password"
        ) from None
    except ModuleNotFoundError:
        raise ConfigurationError(
            "a record in PostgreSQL needs its driver; install Takt with the extra `postgresql`"
        ) from None
    raise ConfigurationError(
        f"a record is kept in SQLite or PostgreSQL, not in {parsed.drivername!r}; set record to "
        "sqlite, none or postgresql://user:password@host/database"
    )


def _shown(url: str) -> str:
    """A URL without what may be its password."""
    return (url.rpartition("@")[2] if "@" in url else url.partition(":")[0]).partition("?")[0]


def _on_connect(connection: Any, record: object) -> None:
    # Transactions begin by `_on_begin`, not when the driver thinks so.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writes, durable = options.get("takt_writes", False), options.get("takt_durable", False)
    if writes and durable != connection.info.get("takt_durable", False):
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.info["takt_durable"] = durable
    # A reader that begins to write later would fail where another has written meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _on_begin_elsewhere(connection: Connection) -> None:
    if connection.get_execution_options().get("takt_durable", False):
        connection.exec_driver_sql(_UNLESS_OFF)


_UNLESS_OFF = (
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
"""Has a transaction wait for the disk; one that waits for more, such as a copy, still does."""


@contextlib.contextmanager
def _ours(name: str) -> Iterator[None]:
    """Errors of the database as ours."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        said = " ".join(str(cause).split()) or type(cause).__name__
        # A statement that never reached the database is no error of the database.
        unsent = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
        if unsent or isinstance(error, (DataError, IntegrityError)):
            raise RefusedRowsError(f"the record {name} refuses this: {said}") from error
        raise RecordError(f"the record {name} cannot be used now: {said}") from error
    except UnicodeError as error:
        raise RefusedRowsError(f"the record {name} refuses this: {error}") from error
