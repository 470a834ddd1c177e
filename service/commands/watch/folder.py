"""A folder as a source: the pictures in it, and new ones."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.commands.watch.capture import SourceError
from service.commands.watch.pacing import Shot, Shots, Time

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_LOOK_EVERY_S = 0.5
_REST_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Size and time of a file, which tell that it has changed."""

    size: int
    modified_ns: int


class Folder:
    """The pictures of a folder, by name, then new ones as they come; endless.

    A file is taken once it has not changed between two looks, or for two seconds, as it may still
    be written. A file that is written again counts as new. A file or folder that cannot be read any
    more is tried again at each look.

    Args:
        path: of the folder; its subfolders are not searched.
        clock: for the looks.
        notice: is told once what cannot be read.
    """

    live = False

    def __init__(self, path: Path, clock: Time, notice: Callable[[str], None]) -> None:
        self._path = path
        self._clock = clock
        self._notice = notice
        self._noticed: set[Path] = set()

    async def shots(self) -> Shots:
        """One for each picture, its bytes as they are.

        Raises:
            SourceError: the folder cannot be read to begin with.
        """
        before: dict[Path, _Stamp] = {}
        taken: dict[Path, _Stamp] = {}
        try:
            now = await asyncio.to_thread(self._look)
        except OSError as error:
            raise SourceError(_unreadable(self._path, error)) from None
        while True:
            rested_ns = time.time_ns() - _REST_NS
            taken = {path: stamp for path, stamp in taken.items() if path in now}
            for path, stamp in sorted(now.items(), key=lambda item: item[0].name):
                rests = stamp == before.get(path) or stamp.modified_ns < rested_ns
                if stamp != taken.get(path) and rests:
                    data = await self._bytes_of(path)
                    if data is not None:
                        taken[path] = stamp
                        yield Shot(path.stem, stamp.modified_ns // 1000, data)
            before, now = now, await self._next_look()

    async def _next_look(self) -> dict[Path, _Stamp]:
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            try:
                found = await asyncio.to_thread(self._look)
            except OSError as error:
                self._notice_once(self._path, error)
            else:
                self._noticed.discard(self._path)
                return found

    def _look(self) -> dict[Path, _Stamp]:
        found = {}
        for path in self._path.iterdir():
            stamp = _stamp_of(path)
            if stamp is not None:
                found[path] = stamp
        return found

    async def _bytes_of(self, path: Path) -> bytes | None:
        """None if it is gone, or cannot be read now."""
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._notice_once(path, error)
            return None
        self._noticed.discard(path)
        return data

    def _notice_once(self, path: Path, error: OSError) -> None:
        if path not in self._noticed:
            self._noticed.add(path)
            self._notice(f"{_unreadable(path, error)}; trying again")


def _stamp_of(path: Path) -> _Stamp | None:
    """None for what is no picture, is empty still, or is gone."""
    if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
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
