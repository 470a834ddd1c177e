"""Where the spools of one outlet lie: each process has one of its own, and takes over others."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import sqlite3
from pathlib import Path

from takt.core.bundles.files import make_private, private_file
from takt.outlets.spool import LostMessagesError, Spool

logger = logging.getLogger("takt.outlets")


class SpoolPlace:
    """The spool of this process, of those that lie in the outlet's folder.

    A process takes the first that no other one has, so that a server that starts anew goes on with
    what the one before has left. Where there were more processes before, or one has replaced
    another, a spool is nobody's: `take_over` has its messages sent as well.

    Args:
        folder: of the outlet, in the data folder.
        most: messages that may wait in each.

    Raises:
        OSError: the folder cannot be made or written.
        sqlite3.Error: the file cannot be used.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock, self.path = _first_free(folder)
        try:
            self.spool = Spool(self.path, most)
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def name(self) -> str:
        """Number of the spool, from 0 on: the same one for each start, as a rule."""
        return self.path.stem

    def take_over(self) -> int:
        """Move messages of spools that no process has into this one; gives their number."""
        moved = 0
        for path in sorted(self._folder.glob("*.sqlite")):
            if path == self.path:
                continue
            try:
                moved += self._take_over(path)
            except (OSError, sqlite3.Error, LostMessagesError) as error:
                logger.error("what is left in %s cannot be taken over: %s", path, error)
        return moved

    def _take_over(self, path: Path) -> int:
        lock = _locked(path)
        if lock is None:
            return 0
        try:
            with contextlib.closing(Spool(path, self._most)) as left:
                return left.move_to(self.spool)
        finally:
            os.close(lock)

    def close(self) -> None:
        """Close the spool, and leave it to others."""
        self.spool.close()
        os.close(self._lock)


def _first_free(folder: Path) -> tuple[int, Path]:
    make_private(folder)
    paths = (folder / f"{number}.sqlite" for number in itertools.count())
    return next((lock, path) for path in paths if (lock := _locked(path)) is not None)


def _locked(path: Path) -> int | None:
    """A lock of the spool's, which ends with this process; None while another one has it."""
    descriptor = private_file(str(path.with_suffix(".lock")), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
