"""A folder as a source: the pictures in it, and new ones."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from takt.core.domain import PICTURE_SUFFIXES
from takt.sources.capture import SourceError
from takt.sources.labels import LabelsOfFile, file_labels
from takt.sources.pacing import Shot, Shots, WatchClock

_POLL_EVERY_S = 0.5
_REST_NS = 2_000_000_000

T = TypeVar("T")


class _Stamp(NamedTuple):
    """Size and time of a file; another stamp means that the file has changed."""

    size: int
    modified_ns: int


class Folder:
    """The pictures of a folder, by name, then new ones as they come; endless.

    A file is taken once it has not changed between two polls, or for two seconds, as it may still
    be written. A file that is written again counts as new. A file or folder that can no longer be
    read is tried again at each poll.

    Args:
        path: path of the folder; its subfolders are not searched.
        clock: times the polls.
        notice: hears once what cannot be read.
        labels_of: says what a picture shows, by the name of its file.
    """

    live = False

    def __init__(
        self,
        path: Path,
        clock: WatchClock,
        notice: Callable[[str], None],
        labels_of: LabelsOfFile = file_labels,
    ) -> None:
        self._path = path
        self._clock = clock
        self._notice = notice
        self._noticed: set[Path] = set()
        self._labels_of = labels_of

    async def shots(self) -> Shots:
        """One shot for each picture, its bytes as they are.

        Raises:
            SourceError: the folder cannot be read to begin with.
        """
        before: dict[Path, _Stamp] = {}
        taken: dict[Path, _Stamp] = {}
        try:
            now = await asyncio.to_thread(self._stamps)
        except OSError as error:
            raise SourceError(_unreadable(self._path, error)) from None
        while True:
            rested_ns = time.time_ns() - _REST_NS
            taken = {path: stamp for path, stamp in taken.items() if path in now}
            for path, stamp in sorted(now.items(), key=lambda item: item[0].name):
                rests = stamp == before.get(path) or stamp.modified_ns < rested_ns
                if stamp != taken.get(path) and rests:
                    data = await self._try(path, path.read_bytes)
                    if data is not None:
                        taken[path] = stamp
                        at_us, labels = stamp.modified_ns // 1000, self._labels_of(path.name)
                        yield Shot(path.stem, at_us, data, labels=labels)
            before, now = now, await self._next_stamps()

    async def _next_stamps(self) -> dict[Path, _Stamp]:
        while True:
            await self._clock.sleep(_POLL_EVERY_S)
            stamps = await self._try(self._path, self._stamps)
            if stamps is not None:
                return stamps

    def _stamps(self) -> dict[Path, _Stamp]:
        stamped = ((path, _stamp_of(path)) for path in self._path.iterdir())
        return {path: stamp for path, stamp in stamped if stamp is not None}

    async def _try(self, path: Path, read: Callable[[], T]) -> T | None:
        """The result of a read; None if the path cannot be read now."""
        try:
            result = await asyncio.to_thread(read)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError) and path != self._path
            if not gone and path not in self._noticed:
                self._noticed.add(path)
                self._notice(f"{_unreadable(path, error)}; trying again")
            return None
        self._noticed.discard(path)
        return result


def _stamp_of(path: Path) -> _Stamp | None:
    """None for a file that is no picture, is still empty, or is gone."""
    if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    if not status.st_size or not stat.S_ISREG(status.st_mode):
        return None
    return _Stamp(status.st_size, status.st_mtime_ns)


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}"
