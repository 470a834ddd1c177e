"""Watches a model repository's folder: versions that come, change or go while the server serves."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

from service.bundles.thresholds import OVERRIDES
from service.errors import ConfigurationError, TaktError
from service.repository.activation import ACTIVE
from service.repository.repository import ModelRepository
from service.repository.versions import find_bundles

Signature = tuple[tuple[str, int, int, int, int], ...]
"""Of each file that an engine is made of: name, bytes, time of change, device and number there."""

_NOT_OF_THE_ENGINE = frozenset({OVERRIDES, ACTIVE, "card.md"})

logger = logging.getLogger("takt.repository")


class RepositoryWatch:
    """Looks at the folder every so often; made before the repository loads.

    What has changed is brought in once it looks the same twice, and what is gone is let go once
    it is missed twice, so that a bundle which is being copied or moved is not taken half.

    Args:
        folder: of the repository.
        repository: is told.
        every_s: time between two looks.
    """

    def __init__(self, folder: Path, repository: ModelRepository, every_s: float) -> None:
        self._folder = folder
        self._repository = repository
        self._every_s = every_s
        self._known = scan(folder)
        self._seen: dict[Path, Signature] = {}
        self._missing: set[Path] = set()
        self._lost: set[Path] = set()
        self._unreadable = False
        self._complaints: dict[str, str] = {}
        self._following: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until it is cancelled."""
        await self._repository.loaded.wait()
        try:
            while True:
                await asyncio.sleep(self._every_s)
                try:
                    await self.look()
                except Exception:
                    logger.exception("the model repository %s could not be looked at", self._folder)
        finally:
            for task in self._following.values():
                task.cancel()

    async def look(self) -> None:
        """Look once."""
        try:
            found = await asyncio.to_thread(scan, self._folder)
        except (ConfigurationError, OSError) as error:
            # A share that is not mounted is no wish to serve nothing.
            if not self._unreadable:
                logger.warning("the models stay as they are: %s", error)
            self._unreadable = True
            return
        self._unreadable = False
        missing = {path for path in self._known if path not in found}
        for path in missing & self._missing:
            await self._gone(path)
        self._missing = missing
        for path, signature in found.items():
            await self._here(path, signature)
        for name in {path.parent.name for path in found} - self._following.keys():
            task = self._following[name] = asyncio.create_task(self._follow(name))
            task.add_done_callback(partial(self._followed, name))
        if self._following:
            # One whose engine does not answer keeps the others waiting for a look only.
            await asyncio.wait(self._following.values(), timeout=self._every_s)

    async def _here(self, path: Path, signature: Signature) -> None:
        self._lost.discard(path)
        if self._known.get(path) == signature:
            return
        if self._seen.get(path) != signature:
            self._seen[path] = signature
            return
        try:
            await self._repository.bring(path)
        except TaktError as error:
            self._complain(str(path), f"{path} is not served: {error}")
            return
        self._complaints.pop(str(path), None)
        del self._seen[path]
        self._known[path] = signature

    async def _gone(self, path: Path) -> None:
        if await self._repository.let_go(path):
            logger.info("%s is gone, and served no longer", path)
            del self._known[path]
            self._lost.discard(path)
        elif path not in self._lost:
            self._lost.add(path)
            logger.warning(
                "%s is gone, but is the active version and goes on from memory; activate another",
                path,
            )

    async def _follow(self, name: str) -> None:
        try:
            await self._repository.follow(name)
        except TaktError as error:
            # It may only be a matter of time: the version that was decided on is still coming.
            self._complain(name, f"{name} stays as it is: {error}")
        else:
            self._complaints.pop(name, None)

    def _followed(self, name: str, task: asyncio.Task[None]) -> None:
        del self._following[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s could not be followed", name, exc_info=error)

    def _complain(self, what: str, why: str) -> None:
        """Say what is wrong, once."""
        if self._complaints.get(what) != why:
            logger.warning(why)
        self._complaints[what] = why


def scan(folder: Path) -> dict[Path, Signature]:
    """What each version's folder holds now.

    Raises:
        ConfigurationError: there is no folder, or no bundle in it.
        OSError: it cannot be read.
    """
    return {path: _signature(path) for path in find_bundles(folder)}


def _signature(path: Path) -> Signature:
    files = []
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") or file.name in _NOT_OF_THE_ENGINE:
            continue
        try:
            found = file.stat()
        except FileNotFoundError:
            # A link to nothing, or a file that was just removed.
            continue
        files.append((file.name, found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino))
    return tuple(files)
