"""Work on the record, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection

from takt.api.records.problems import NO_RECORD
from takt.core.errors import NoRecordError
from takt.core.host import let_others_go_first
from takt.recording.record import Record

_THREADS: Final = 4
"""So many requests use the record at once; others wait, and inspections do not notice."""

_EXPORTING: Final = 1
"""So many of the threads exports may have at a moment."""

Result = TypeVar("Result")


class RecordThreads:
    """Runs what waits for the database or the disk, on a few threads of its own.

    Args:
        record: of the server; None if it keeps none.
        threads: number of them.
    """

    def __init__(self, record: Record | None, threads: int = _THREADS) -> None:
        self._record = record
        self._pool = ThreadPoolExecutor(
            threads, thread_name_prefix="record", initializer=let_others_go_first
        )
        self._exporting = asyncio.Semaphore(_EXPORTING)

    @property
    def has_record(self) -> bool:
        """Whether the server keeps one."""
        return self._record is not None

    def check(self) -> Record:
        """The record.

        Raises:
            NoRecordError: the server keeps none.
        """
        if self._record is None:
            raise NoRecordError(str(NO_RECORD))
        return self._record

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of reading the database; as `run` otherwise."""

        def reading(record: Record) -> Result:
            with record.database.reading() as connection:
                return work(connection)

        return await self.run(reading)

    async def read_for_export(self, work: Callable[[Connection], Result]) -> Result:
        """As `read`, but few at a time: what is sent in many parts can wait, and others cannot."""
        async with self._exporting:
            return await self.read(work)

    async def run(self, work: Callable[[Record], Result]) -> Result:
        """The result of some work on the record.

        Raises:
            NoRecordError: the server keeps none.
        """
        record = self.check()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, record)

    def close(self) -> None:
        """Wait for what is being done; what has not begun is given up."""
        self._pool.shutdown(cancel_futures=True)
