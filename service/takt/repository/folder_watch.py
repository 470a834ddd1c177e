"""Watches a repository's folder for versions that come, change or go while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from pathlib import Path

from takt.core.bundles.card import CARD
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.errors import ConfigurationError, TaktError
from takt.peers import Alone, Message, Messenger, Peers
from takt.recording.audit.served import ServedModel
from takt.repository.activation import ACTIVE
from takt.repository.repository import ModelRepository
from takt.repository.versions import look, why_misnamed

Signature = tuple[tuple[str, int, int, int, int], ...]
"""Name, bytes, time of change, device and inode of each file that an engine is made of."""

_NOT_OF_THE_ENGINE = frozenset({OVERRIDES, ACTIVE, CARD})
_SETTLE_S = 1.0
"""Time between two polls that somebody asked for."""
_LOOKED_WITHIN_S = 60.0
"""Longest wait for other workers to look, and to load what they find."""
_FOLLOWED_WITHIN_S = 10.0
"""Longest wait for models to take over what their folders state, where nobody polls."""

logger = logging.getLogger("takt.repository")


class FolderWatch:
    """Polls the folder; must be made before the repository loads, and run while it does.

    A changed version is loaded after two equal polls, and a missing one is removed after two polls
    without it, so that a bundle that is being copied or moved is not taken half.

    Args:
        folder: of the repository.
        repository: loads and removes the versions.
        every_s: time between two polls; 0 polls only when somebody asks.
        peers: other workers, which look whenever this one is asked to.

    Attributes:
        ended: whether nobody looks any more, as the process ends and answers no more requests.
    """

    def __init__(
        self,
        folder: Path,
        repository: ModelRepository,
        every_s: float,
        peers: Peers | None = None,
    ) -> None:
        self._folder = folder
        self._repository = repository
        self._every_s = every_s
        self._known: dict[Path, Signature] = {}
        self._seen: dict[Path, Signature] = {}
        self._missing: set[Path] = set()
        self._unreadable = False
        self._warned: dict[object, str] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._asked = asyncio.Event()
        self._looked: list[asyncio.Future[None]] = []
        self.ended = False
        self._peers = peers or Alone()
        self._peers.answer("look", self._look_for_others)
        self._messenger = Messenger(self._peers)
        if repository.found.is_set():
            self._begin()

    def ask(self) -> None:
        """Has every worker look at the folder now, twice, so that what has changed is taken."""
        self._asked.set()
        self._messenger.tell("look", {"wait": False})

    async def look(self) -> None:
        """Has every worker look as `ask` does, and returns once all have."""
        elsewhere = self._peers.ask("look", {"wait": True}, _LOOKED_WITHIN_S)
        await asyncio.gather(self.look_here(), elsewhere)

    async def run(self) -> None:
        """Polls until it is cancelled; then nobody waits for a look any more."""
        try:
            if not self._repository.found.is_set():
                await self._repository.found.wait()
                await asyncio.to_thread(self._begin)
            await self._repository.loaded.wait()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every_s or None):
                        await self._asked.wait()
                asked = self._asked.is_set()
                self._asked.clear()
                waiting = len(self._looked)
                try:
                    await self.poll()
                    if asked:
                        await asyncio.sleep(_SETTLE_S)
                        await self.poll()
                        logger.info("looked at the model repository %s", self._folder)
                except Exception:
                    logger.exception("the model repository %s could not be looked at", self._folder)
                self._let_go(waiting)
        finally:
            self.ended = True
            for task in self._following.values():
                task.cancel()
            self._let_go(len(self._looked))

    def _let_go(self, waiting: int) -> None:
        """Has those go on who have waited longest for a look."""
        looked, self._looked = self._looked[:waiting], self._looked[waiting:]
        for one in looked:
            if not one.done():
                one.set_result(None)

    async def served(self, anew: bool) -> dict[str, ServedModel]:
        """What is served once everything has loaded and, if wished, was looked at once more."""
        await self._repository.loaded.wait()
        if anew:
            await self.look_here()
        return self._repository.served

    async def look_here(self) -> None:
        """Looks as this worker alone; returns at once where nobody looks any more."""
        if self.ended:
            return
        looked = asyncio.get_running_loop().create_future()
        self._looked.append(looked)
        self._asked.set()
        await looked

    async def _look_for_others(self, body: Message) -> Message:
        if body["wait"]:
            await self.look_here()
        else:
            self._asked.set()
        return {}

    def _begin(self) -> None:
        """Notes what is there, of which the repository knows."""
        # What somebody has decided on and is not there goes with its model's folder.
        self._known = {one.path: () for one in self._repository} | self._told(*self._scan())

    async def poll(self) -> None:
        """Compares the folder with what is served, once."""
        try:
            found = self._told(*await asyncio.to_thread(self._scan))
        except (ConfigurationError, OSError) as error:
            # A share that is not mounted is no wish to serve nothing.
            if not self._unreadable:
                logger.warning("the models stay as they are: %s", error)
            self._unreadable = True
            self._repository.found_on_disk(())
            return
        self._unreadable = False
        self._repository.found_on_disk(found)
        missing = self._known.keys() - found.keys()
        for path in missing & self._missing:
            await self._remove(path)
        self._missing = missing
        for path, signature in found.items():
            await self._load(path, signature)
        for name in {path.parent.name for path in found} - self._following.keys():
            task = self._following[name] = asyncio.create_task(self._follow(name))
            task.add_done_callback(partial(self._followed, name))
        if self._following:
            # A model whose engine does not answer delays the others by one poll only.
            wait_s = self._every_s or _FOLLOWED_WITHIN_S
            await asyncio.wait(self._following.values(), timeout=wait_s)

    def _scan(self) -> tuple[dict[Path, Signature], list[Path]]:
        # Only where something is served a folder without any is one that has gone.
        return scan(self._folder, may_be_empty=not any(True for _ in self._repository))

    def _told(self, found: dict[Path, Signature], misnamed: list[Path]) -> dict[Path, Signature]:
        """What was found, once it is told what of it is no version."""
        for path in misnamed:
            self._warn_once(path, why_misnamed(path))
        return found

    async def _load(self, path: Path, signature: Signature) -> None:
        self._warned.pop(("gone", path), None)
        if self._known.get(path) == signature:
            return
        if self._seen.get(path) != signature:
            self._seen[path] = signature
            return
        try:
            await self._repository.load_version(path)
        except TaktError as error:
            self._warn_once(path, f"{path} is not served: {error}")
            return
        self._warned.pop(path, None)
        del self._seen[path]
        self._known[path] = signature

    async def _remove(self, path: Path) -> None:
        if await self._repository.remove_version(path):
            logger.info("%s is gone, and served no longer", path)
            del self._known[path]
            self._warned.pop(("gone", path), None)
        else:
            self._warn_once(
                ("gone", path),
                f"{path} is gone, but is the active version: what was loaded of it goes on from "
                "memory; activate another",
            )

    async def _follow(self, name: str) -> None:
        try:
            await self._repository.follow(name)
        except TaktError as error:
            # The version that was decided on may still be on its way.
            self._warn_once(name, f"{name} stays as it is: {error}")
        else:
            self._warned.pop(name, None)

    def _followed(self, name: str, task: asyncio.Task[None]) -> None:
        del self._following[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s could not be followed", name, exc_info=error)

    def _warn_once(self, subject: object, warning: str) -> None:
        """Logs a warning, unless it is the last one of this subject."""
        if self._warned.get(subject) != warning:
            logger.warning(warning)
        self._warned[subject] = warning


def scan(folder: Path, *, may_be_empty: bool = False) -> tuple[dict[Path, Signature], list[Path]]:
    """The signature of each version's folder, and the bundles that are no version by their name.

    The arguments are those of `look`.

    Raises:
        ConfigurationError: the folder is missing or has no bundle, and has to have one.
        OSError: it cannot be read.
    """
    found = look(folder, may_be_empty=may_be_empty)
    signatures = {}
    for path in found.versions:
        # One may be taken away, or exchanged, at this moment.
        with contextlib.suppress(FileNotFoundError):
            signatures[path] = _signature(path)
    return signatures, found.misnamed


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
