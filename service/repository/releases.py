"""One model: its versions that are loaded, and which of them answers where none is named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

from service.errors import ConflictError, ModelNotFoundError, NotReadyError
from service.repository.activation import Activation, decide, keep_activation, read_activation
from service.repository.served_model import ServedModel
from service.repository.versions import natural

_PROVED_WITHIN_S = 120.0
"""Longest wait for golden answers among the pictures that wait."""

logger = logging.getLogger("takt.repository")


class Releases:
    """The versions of one model; the highest is active, unless somebody has activated another.

    Whatever changes which one is active, or which there are, holds `changing` meanwhile.

    Args:
        folder: `<repository>/<name>`.

    Attributes:
        name: of the model.
        active: the version that answers where none is named; None until one of a model that came
            while serving is ready.
        decision: what somebody has decided, if anybody has.
        changing: see above.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.active: str | None = None
        self.decision: Activation | None = None
        self.changing = asyncio.Lock()
        self._folder = folder
        self._versions: dict[str, ServedModel] = {}
        self._kept = True
        self._stepped_in_for: str | None = None

    def __iter__(self) -> Iterator[ServedModel]:
        """The versions, the lowest first."""
        return iter(list(self._versions.values()))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._versions)

    def find(self, version: str) -> ServedModel | None:
        """A version, if it is there."""
        return self._versions.get(version)

    def get(self, version: str | None = None) -> ServedModel:
        """A version; the active one unless one is named.

        Raises:
            ModelNotFoundError: there is none; the message lists those that there are.
        """
        wanted = self.active if version is None else version
        found = self._versions.get(wanted or "")
        if found is None:
            raise ModelNotFoundError(
                f"model {self.name} has no version {wanted!r}; it has {', '.join(self._versions)}"
            )
        return found

    def put(self, model: ServedModel) -> None:
        """Add a version, or put it in the place of another of that name."""
        versions = self._versions | {model.version: model}
        self._versions = dict(sorted(versions.items(), key=lambda item: natural(item[0])))

    def take(self, version: str) -> ServedModel | None:
        """Remove a version, if it is there."""
        return self._versions.pop(version, None)

    def read_decision(self) -> None:
        """Begin with what somebody has decided. Blocks until the file is read.

        Raises:
            ConfigurationError: it cannot be understood.
        """
        self.decision = read_activation(self._folder)

    def begin(self) -> None:
        """Let the version answer that is to be expected; its state says whether it can.

        If the one that somebody has decided on is not there, no other answers in its place, as
        that may be the one which was rolled back.
        """
        if self.decision is None:
            self.active = list(self._versions)[-1]
            return
        self.active = self.decision.active
        if self.active not in self._versions:
            self.put(ServedModel(self._folder / self.active))

    async def activate(self, version: str, reason: str | None) -> bool:
        """Let a version answer, once it is proved; tells whether another did until now.

        Raises:
            ModelNotFoundError, NotReadyError, DriftError, EngineError: nothing has changed.
        """
        await self._prove(version)
        before, known = self.active, self.decision
        previous = before if before != version else known.previous if known else None
        decision = decide(version, previous, reason)
        self._kept = await asyncio.to_thread(keep_activation, self._folder, decision)
        self.decision = decision
        return self._make_active(version)

    @property
    def kept(self) -> bool:
        """Whether what was decided survives a restart."""
        return self._kept

    @property
    def previous(self) -> str | None:
        """The version that was active before, if another was."""
        return self.decision.previous if self.decision else self._stepped_in_for

    def check_previous(self) -> str:
        """The version that a rollback goes back to.

        Raises:
            ConflictError: no other was active before, or it is gone.
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
        return previous

    async def follow(self) -> bool:
        """Do as the folder says by now; tells whether another version answers since.

        What could not be kept there stays, whatever it says.

        Raises:
            ConfigurationError: the file cannot be understood.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`.
        """
        if not self._kept or self.active is None:
            return False
        decision = await asyncio.to_thread(read_activation, self._folder)
        if decision == self.decision:
            return False
        if decision is not None:
            await self._prove(decision.active)
            self.decision = decision
            return self._make_active(decision.active)
        self.decision = None
        ready = [model.version for model in self if model.ready]
        return self._make_active(ready[-1]) if ready else False

    def step_in(self, model: ServedModel) -> bool:
        """Let a version answer that came while serving, where that is to be expected.

        It is where nobody has decided and it is the highest one, or where none answers yet and it
        is the one that was decided on. Tells whether another did until now.
        """
        if self.decision is not None:
            wanted = self.active is None and self.decision.active == model.version
        else:
            wanted = self.active is None or natural(model.version) > natural(self.active)
        if not (wanted and model.ready):
            return False
        if model.version != self.active:
            self._stepped_in_for = self.active
        return self._make_active(model.version)

    async def _prove(self, version: str) -> None:
        try:
            async with asyncio.timeout(_PROVED_WITHIN_S):
                await self.get(version).prove()
        except TimeoutError:
            raise NotReadyError(
                f"model {self.name}, version {version}, did not answer its golden inputs within "
                f"{_PROVED_WITHIN_S:.0f} s; is its engine alive, and its queue not full of others?"
            ) from None

    def _make_active(self, version: str) -> bool:
        before, self.active = self.active, version
        if before == version:
            return False
        logger.info("%s %s is active; until now it was %s", self.name, version, before or "none")
        return True
