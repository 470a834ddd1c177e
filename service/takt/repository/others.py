"""The same models in the other workers: what this one has them do, and what it does for them."""

from __future__ import annotations

import asyncio
import logging

from takt.core.bundles.thresholds import Overrides
from takt.core.errors import NotReadyError, TaktError
from takt.core.problem import error_json, error_of
from takt.peers import Message, Peers
from takt.repository.activation import Activation
from takt.repository.folder_watch import FolderWatch
from takt.repository.model import Model
from takt.repository.model_version import ModelVersion
from takt.repository.repository import ModelRepository

PROVED_WITHIN_S = 300.0
"""Longest wait for other workers to load a version, if need be, and to have it answer."""

_LOADED_EVERY_S = 0.05
"""Time between two looks whether a version that loads has loaded."""

logger = logging.getLogger("takt.repository")


class Others:
    """Keeps the models of all workers alike.

    What a worker takes from another it neither writes to the folder nor counts nor notes.

    Args:
        repository: this worker's models.
        watch: looks at the folder.
        peers: the other workers.
    """

    def __init__(self, repository: ModelRepository, watch: FolderWatch, peers: Peers) -> None:
        self._repository = repository
        self._watch = watch
        self._peers = peers
        peers.answer("prove", self._prove)
        peers.answer("take", self._take)
        peers.answer("unkept", self._unkept)

    async def prove(self, model: str, version: str) -> None:
        """Have a version answer its golden inputs in every other worker.

        A worker that does not know it yet looks at the folder first.

        Raises:
            TaktError: as a worker has met it; nothing has changed.
        """
        body = {"model": model, "version": version}
        for reply in await self._peers.ask("prove", body, PROVED_WITHIN_S):
            if reply.failure is not None:
                raise NotReadyError(
                    f"model {model}, version {version}, could not be proved in every process of "
                    f"this server: {reply.failure}"
                )
            if "error" in reply.body:
                logger.warning("worker %d cannot take %s %s", reply.worker, model, version)
                raise error_of(reply.body["error"])

    async def take_thresholds(self, version: ModelVersion) -> None:
        """Have the others judge by the thresholds that are in force here."""
        await self._tell({"thresholds": _thresholds_json(version), "decisions": []})

    async def take_decision(self, model: Model) -> None:
        """Have the version that is active here be active in the others."""
        await self._tell({"thresholds": [], "decisions": _decision_json(model)})

    async def catch_up(self) -> None:
        """Take what changed while this worker loaded, and what the others could not write."""
        if self._peers.workers == 1:
            return
        for name in self._repository.names:
            try:
                await self._repository.follow(name)
            except TaktError as error:
                logger.warning("%s stays as it is: %s", name, error)
        for reply in await self._peers.ask("unkept", {}):
            await self._take(reply.body)

    async def _tell(self, body: Message) -> None:
        for reply in await self._peers.ask("take", body):
            if reply.failure is not None:
                logger.error("worker %d has not taken a change: %s", reply.worker, reply.failure)

    async def _prove(self, body: Message) -> Message:
        try:
            # One that ends answers nobody any more, so that nothing is loaded for it.
            if not self._watch.ended:
                await self._prove_here(body["model"], body["version"])
        except TaktError as error:
            return {} if self._watch.ended else {"error": error_json(error)}
        return {}

    async def _prove_here(self, name: str, version: str) -> None:
        if not self._has(name, version):
            await self._watch.look_here()
        while self._repository.get(name, version).state == "loading":
            if self._watch.ended:
                return
            await asyncio.sleep(_LOADED_EVERY_S)
        await self._repository.model(name).prove(version)

    async def _take(self, body: Message) -> Message:
        for one in body.get("thresholds", ()):
            # The file of a version that is not here yet says the same.
            if self._has(one["model"], one["version"]):
                thresholds = self._repository.get(one["model"], one["version"]).thresholds
                if thresholds is not None:
                    overrides = Overrides.model_validate(one["overrides"])
                    await asyncio.to_thread(thresholds.adopt, overrides, kept=one["kept"])
        for one in body.get("decisions", ()):
            if self._repository.knows(one["model"]):
                decision = Activation.model_validate(one["decision"])
                await self._repository.model(one["model"]).adopt(decision, kept=one["kept"])
        return {}

    async def _unkept(self, _: Message) -> Message:
        models = [self._repository.model(name) for name in self._repository.names]
        versions = [one for one in self._repository if one.thresholds and not one.thresholds.kept]
        return {
            "thresholds": [told for one in versions for told in _thresholds_json(one)],
            "decisions": [told for one in models if not one.kept for told in _decision_json(one)],
        }

    def _has(self, name: str, version: str) -> bool:
        return any(one.version == version for one in self._repository.versions_of(name))


def _thresholds_json(version: ModelVersion) -> list[Message]:
    thresholds = version.thresholds
    if thresholds is None:
        return []
    place = {"model": version.name, "version": version.version}
    return [{**place, "overrides": thresholds.overrides.model_dump(), "kept": thresholds.kept}]


def _decision_json(model: Model) -> list[Message]:
    decision = model.decision
    if decision is None:
        return []
    return [{"model": model.name, "decision": decision.model_dump(), "kept": model.kept}]
