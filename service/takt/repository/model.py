"""One model: its versions, and which of them answers where a request names none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from takt.core.errors import ConfigurationError, ConflictError, ModelNotFoundError, NotReadyError
from takt.recording.audit.entry import FILE, SERVER
from takt.recording.audit.served import ServedModel, activation
from takt.repository.activation import (
    FIRST,
    NO_VERSION,
    TESTED_LATER,
    UNDECIDED,
    WAITING,
    Activated,
    Activation,
    by_itself,
    grave_finding,
    keep_activation,
    not_there,
    read_activation,
    why_it_waits,
)
from takt.repository.lifecycle import Lifecycle
from takt.repository.model_version import ModelVersion
from takt.repository.served import followed, served_of
from takt.repository.shelf import Shelf

Proved = Callable[[str], Awaitable[None]]
"""Hears of the version that answered as it should, and is to be the active one."""

_AGAIN_S: Final = 10.0
"""Time until a version that could not be loaded is tried again; doubled with each try."""

_MOST_AGAIN_S: Final = 600.0
"""Longest such time: a try may take memory and minutes of a processor."""

logger = logging.getLogger("takt.repository")


class Model:
    """The versions of one model, and the active one among them.

    At a start the highest is active, unless somebody has decided on another. While it is served,
    a first version becomes active by itself; later ones wait until somebody activates them. So does
    every version whose self-test says not to serve it: it becomes active by a decision only.

    Args:
        folder: `<repository>/<name>`.
        lifecycle: loads and closes versions.

    Attributes:
        name: of the model.
        active: the version that answers where a request names none; None until a version of a
            new model is ready, while all wait, and once the model's folder is gone.
        decision: somebody's decision for the active version, if any.
        kept: whether the folder states the decision, as far as this process has seen.
    """

    def __init__(self, folder: Path, lifecycle: Lifecycle) -> None:
        self.name = folder.name
        self.active: str | None = None
        self.decision: Activation | None = None
        self._folder = folder
        self._lifecycle = lifecycle
        self._noticed = lifecycle.noticed
        self._versions = Shelf(self.name, lifecycle, lambda version: self.active == version)
        # Held while the active version or the set of versions changes.
        self._changing = asyncio.Lock()
        self.kept = True
        self._unstated: str | None = None
        self._unread = False
        # Of versions that could not be loaded, by their names.
        self._tries: dict[str, int] = {}

    def __iter__(self) -> Iterator[ModelVersion]:
        """The versions, the lowest first."""
        return iter(self._versions)

    @property
    def known(self) -> bool:
        """Whether it has an active version, or one that waits to be the first."""
        return self.active is not None or self.waiting is not None

    @property
    def waiting(self) -> ModelVersion | None:
        """The version that waits to be the first, as its self-test says not to serve it."""
        if self.active is not None or self.decision is not None:
            return None
        return next((one for one in reversed(list(self)) if one.grave is not None), None)

    @property
    def waits(self) -> str | None:
        """Why no version answers where a request names none, and what to do; None if one does."""
        if (found := self.waiting) is None or found.grave is None:
            return None
        return why_it_waits(self.name, found.version, found.grave)

    @property
    def previous(self) -> str | None:
        """The version that was active before the last activation, if there was one."""
        return self.decision.previous if self.decision else None

    @property
    def served(self) -> ServedModel:
        """What is served by now."""
        return ServedModel(self.active, {one.version: served_of(one) for one in self})

    def get(self, version: str | None = None) -> ModelVersion:
        """Returns a version, or the active one.

        Raises:
            ModelNotFoundError: there is none; the message lists the versions that there are.
            NotReadyError: none is named, and the first one waits for its activation.
        """
        wanted = self.active if version is None else version
        found = self._versions.get(wanted or "")
        if found is None:
            if version is None and (waits := self.waits) is not None:
                raise NotReadyError(waits)
            names = ", ".join(one.version for one in self)
            raise ModelNotFoundError(f"model {self.name} has no version {wanted!r}; it has {names}")
        return found

    def start(self, paths: list[Path]) -> None:
        """Takes the versions that exist at the start. Blocks until the decision is read.

        The expected version is active, whether it can answer or not. If the version that somebody
        has decided on is missing, no other answers: it may be the one that was rolled back. Where
        nobody has decided and every self-test says not to serve its version, none is active.

        Args:
            paths: folders of the versions, the lowest first; none if only a decision is there.
        """
        for path in paths:
            self._versions.put(ModelVersion(path))
        refused: dict[str, str] = {}
        try:
            self.decision = read_activation(self._folder)
        except ConfigurationError as error:
            self._unread = True
            names = [path.name for path in paths]
            refused = dict.fromkeys(names or [NO_VERSION], str(error))
        if self.decision is not None:
            self.active = self.decision.active
        elif refused:
            self.active = next(reversed(refused))
        else:
            self.active = by_itself(paths)
        if self.active is None:
            for version in self:
                version.grave = grave_finding(version.path)
            self._tell_waits()
        elif self.active not in self._versions:
            self._versions.put(ModelVersion(self._folder / self.active))
            refused.setdefault(self.active, not_there(self.active))
        for name, reason in refused.items():
            logger.error("%s %s cannot be served: %s", self.name, name, reason)
            self.get(name).refuse(reason)
        for version in self:
            self._versions.show_figures(version.version)

    async def activate(
        self, version: str, reason: str | None = None, proved: Proved | None = None
    ) -> Activated:
        """Makes a version active, once its golden answers are right.

        A version that had failed is loaded anew first. Requests in progress are answered by the
        former version, which stays loaded: a rollback takes only as long as its golden check and a
        reading of its files.

        Args:
            version: that is to answer.
            reason: of whoever decided.
            proved: called before anything changes, with the version; what it raises prevents it.

        Raises:
            ModelNotFoundError: there is no such version.
            NotReadyError: the version is loading, or cannot be served.
            DriftError, EngineError: the version does not answer as the trained model did.
            BundleError: its files are not what was exported any more, so that the next start would
                refuse it. After each of these errors the former version stays active.
        """
        found = self.get(version)
        if found.state in ("failed", "closed"):
            await self._versions.load(found.path)
        async with self._changing:
            before = self.active
            await self._lifecycle.prove(self.get(version))
            # Once, where the decision is made: the other workers have the same folder.
            await self._lifecycle.check_files(self.get(version))
            if proved is not None:
                await proved(version)
            previous = self.previous if before == version else before
            decision = Activation.now(version, previous, reason)
            self.kept = await asyncio.to_thread(keep_activation, self._folder, decision)
            self.decision = decision
            self._make_active(version)
            return Activated(version, before, previous, self.kept)

    async def roll_back(self, reason: str | None = None, proved: Proved | None = None) -> Activated:
        """Activates the version that was active before the last activation.

        Raises:
            ConflictError: no other version was active before, or it is gone.
            NotReadyError, DriftError, EngineError, BundleError: see `activate`.
        """
        previous = self.previous
        if previous is None:
            raise ConflictError(
                f"model {self.name} has no version to go back to; activate the one that is wanted"
            )
        if previous not in self._versions:
            raise ConflictError(
                f"version {previous} of model {self.name}, which was active before, is gone; "
                "activate another"
            )
        return await self.activate(previous, reason, proved)

    async def prove(self, version: str) -> None:
        """Has a version answer its golden inputs, and raises as `activate` does."""
        if (found := self.get(version)).state in ("failed", "closed"):
            await self._versions.load(found.path)
        async with self._changing:
            await self._lifecycle.prove(self.get(version))

    async def adopt(self, decision: Activation, *, kept: bool) -> None:
        """Takes over what another process has decided and, if `kept`, written to the folder."""
        async with self._changing:
            self.decision, self.kept = decision, kept
            if decision.active in self._versions:
                self._make_active(decision.active)

    async def follow(self) -> None:
        """Takes over the active version and the thresholds that the folder states by now.

        Another server or a person may have changed them, or mended what kept a version from being
        loaded. A decision that could not be written to the folder stays. What is to answer and
        could not be loaded is tried again, each time later, as memory may have been short.

        Raises:
            ConfigurationError, BundleError: a file cannot be understood.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`.
        """
        try:
            async with self._changing:
                await self._follow_decision()
        finally:
            for version in self:
                if await version.thresholds_mended() or self._is_due(version):
                    await self.load_version(version.path)
                elif (change := await version.follow_thresholds()) is not None:
                    self._lifecycle.count_thresholds(self.name, change.kinds)
                    self._noticed(followed(version, change))

    async def load_version(self, path: Path) -> None:
        """Loads a version that is new, or whose folder has changed.

        If a changed version cannot be served, the former one stays in its place. A first version
        becomes active, unless somebody has decided on another; a later one waits, and so does one
        whose self-test says not to serve it. One that has answered goes on.

        Raises:
            ConfigurationError: the decision for a new model cannot be understood.
        """
        if not len(self._versions):
            self.decision = await asyncio.to_thread(read_activation, self._folder)
            self.kept = True
        old = self._versions.get(path.name)
        is_later = self.active is not None and old is None
        await self._versions.load(path)
        found = self._versions.get(path.name)
        if found is not None and found.ready and self._steps_in(found):
            self._noticed(activation(SERVER, self.name, self.active, found.version, FIRST))
            self._make_active(found.version)
        elif is_later:
            self._unstated = WAITING
            if found is not None and found.ready:
                logger.info("%s %s waits for its activation", self.name, path.name)
        elif found is not None and found.grave is not None and self.decision is None:
            self._test_speaks_against(found, had_answered=old is not None and old.state == "ready")

    async def remove_version(self, version: str) -> bool:
        """Stops serving a version whose folder is gone, once its last request is answered.

        Returns:
            Whether it is removed: the active version stays as long as the model's folder exists.
        """
        async with self._changing:
            whole = not await asyncio.to_thread(self._folder.is_dir)
            if self.active == version and not whole:
                return False
            self._versions.remove(version)
            if whole:
                self.active = None
            return True

    async def _follow_decision(self) -> None:
        if not self.kept or not self.known:
            return
        decision = await asyncio.to_thread(read_activation, self._folder)
        was_unread = self._unread
        if was_unread:
            await self._load_refused()
        if decision == self.decision and (decision is not None or not was_unread):
            await self._state_active()
            return
        if decision is not None:
            await self._lifecycle.prove(self.get(decision.active))
            self.decision = decision
            self._follow_to(decision.active, decision.reason)
            return
        self.decision = None
        ready = [version.version for version in self if version.ready and version.grave is None]
        if ready:
            self._follow_to(ready[-1], UNDECIDED)

    async def _load_refused(self) -> None:
        """Loads what was refused at the start for a decision that could not be read till now."""
        for version in self:
            if version.state == "failed":
                await self._versions.load(version.path)
        self._unread = False

    def _is_due(self, version: ModelVersion) -> bool:
        """Whether what could not be loaded is to be tried again.

        That is a version without which none answers, or a changed one whose former self goes on.
        """
        if version.failed_s is None:
            self._tries.pop(version.version, None)
            return False
        tries = self._tries.get(version.version, 0)
        pause_s = min(_MOST_AGAIN_S, _AGAIN_S * 2.0**tries)
        due = time.monotonic() >= version.failed_s + pause_s
        wanted = version.state == "ready" or self.active in (None, version.version)
        if not (wanted and due):
            return False
        self._tries[version.version] = min(tries + 1, 30)
        return True

    def _follow_to(self, version: str, reason: str | None) -> None:
        if version != self.active:
            self._noticed(activation(FILE, self.name, self.active, version, reason))
        self._make_active(version)

    async def _state_active(self) -> None:
        """Keeps the active version in the folder, where the next start would take another one.

        That is one that nobody has activated: a later one has come, or this one waits by now.
        """
        undecided = self.decision is None and self._lifecycle.leads
        if undecided and self.active is not None and self._unstated is not None:
            decision = Activation.now(self.active, None, self._unstated)
            if await asyncio.to_thread(keep_activation, self._folder, decision):
                self.decision = decision
        self._unstated = None

    def _steps_in(self, version: ModelVersion) -> bool:
        """Whether a version that has loaded while serving becomes active."""
        if self.active is not None:
            return False
        if self.decision is None:
            return version.grave is None
        return self.decision.active == version.version

    def _test_speaks_against(self, found: ModelVersion, *, had_answered: bool) -> None:
        """Has a version wait that nobody has decided on, unless it has answered by now."""
        if self.active == found.version and had_answered:
            self._unstated = TESTED_LATER
            return
        if self.active == found.version:
            self.active = None
        self._tell_waits()

    def _tell_waits(self) -> None:
        if (waits := self.waits) is not None:
            logger.warning("%s", waits)

    def _make_active(self, version: str) -> None:
        before, self.active = self.active, version
        if before != version:
            logger.info(
                "%s %s is active; until now it was %s", self.name, version, before or "none"
            )
            self._lifecycle.count_activation(self.name)
