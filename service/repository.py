"""The model repository: finds bundles, loads them, says which version is active, lets them go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.active import Activation, decide, keep_activation, read_activation
from service.errors import ConflictError, ModelNotFoundError
from service.metrics import Metrics, VersionFigures
from service.opening import Open
from service.pipeline import Pools
from service.served import RepositoryOptions, ServedModel
from service.thresholds import DeployedThresholds
from service.versions import find_bundles, natural

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class Activated:
    """What became of a wish for another active version.

    Attributes:
        version: that answers from now on where a request names none.
        previous: that a rollback goes back to, if any.
        persisted: whether it survives a restart.
    """

    version: str
    previous: str | None
    persisted: bool


class ModelRepository:
    """Every model version found below a folder, and which version of a name is active.

    That is the highest one, unless somebody has activated another: `service.active` has the file.

    Args:
        folder: `<name>/<version>/manifest.json` below it.
        options: how to load and run.
        open_engine: opens one engine instance for a bundle, and says how to run it.
        pools: threads for pictures.
        metrics: where models report.

    Attributes:
        loaded: set once every model was loaded, or has failed.

    Raises:
        ConfigurationError: the folder is missing or has no bundle, or what somebody has decided
            cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        options: RepositoryOptions,
        open_engine: Open,
        pools: Pools,
        metrics: Metrics,
    ) -> None:
        self._folder = folder
        self._options = options
        self._open_engine = open_engine
        self._pools = pools
        self._metrics = metrics
        self.loaded = asyncio.Event()
        self._models: dict[str, dict[str, ServedModel]] = {}
        self._active: dict[str, str] = {}
        self._decided: dict[str, Activation] = {}
        self._activating = asyncio.Lock()
        self._loading = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        for path in find_bundles(folder):
            self._add(ServedModel(path))
        for name in list(self._models):
            self._decide_at_start(name)

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version of every model, by name, the lowest version first."""
        for versions in self._models.values():
            yield from versions.values()

    @property
    def ready(self) -> bool:
        """Whether the active version of every model is, and all else was loaded or has failed."""
        return self.loaded.is_set() and all(self.get(name).ready for name in self._active)

    def knows(self, name: str) -> bool:
        """Whether there is such a model."""
        return name in self._active

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """A model by name; its active version unless one is named.

        Raises:
            ModelNotFoundError: there is none; the message lists those that there are.
        """
        active = self._active.get(name)
        if active is None:
            names = ", ".join(self._active)
            raise ModelNotFoundError(f"there is no model {name!r}; this server has {names}")
        versions = self._models[name]
        if version is None:
            return versions[active]
        if version not in versions:
            raise ModelNotFoundError(
                f"model {name} has no version {version!r}; it has {', '.join(versions)}"
            )
        return versions[version]

    def decided(self, name: str) -> Activation | None:
        """What somebody has decided of a model's versions, if anybody has."""
        return self._decided.get(name)

    async def load(self) -> None:
        """Load the models, one after another; those that fail say so in their state."""
        for model in list(self):
            await self._load(model)
        self.loaded.set()

    async def activate(self, name: str, version: str, reason: str | None = None) -> Activated:
        """Let another version answer where a request names none, once it is proved.

        A version that had failed is loaded anew first. Who is being answered by the version until
        now still is; it stays loaded, so that a rollback takes as long as its golden check.

        Raises:
            ModelNotFoundError: there is no such model or version.
            NotReadyError: it is loading, or cannot be served; the model's state says why.
            DriftError, EngineError: it does not answer as the trained model did. In all of these
                cases the version until now stays.
        """
        model = self.get(name, version)
        if model.state in ("failed", "closed"):
            await self.bring(model.path)
        async with self._activating:
            await self.get(name, version).prove()
            before, kept = self._active[name], self._decided.get(name)
            previous = before if before != version else kept.previous if kept else None
            activation = decide(version, previous, reason)
            persisted = await asyncio.to_thread(keep_activation, self._folder / name, activation)
            self._decided[name] = activation
            self._make_active(name, version)
            return Activated(version, previous, persisted)

    async def roll_back(self, name: str, reason: str | None = None) -> Activated:
        """Let the version answer again that did before the last activation.

        Raises:
            ConflictError: nobody has activated another version, or it is gone.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`.
        """
        self.get(name)
        kept = self._decided.get(name)
        if kept is None or kept.previous is None:
            raise ConflictError(
                f"model {name} has no version to go back to; activate the one that is wanted"
            )
        if kept.previous not in self._models[name]:
            raise ConflictError(
                f"version {kept.previous} of model {name}, which was active before, is gone; "
                "activate another"
            )
        return await self.activate(name, kept.previous, reason)

    async def follow(self, name: str) -> None:
        """Do as the model's folder says by now, where another server or somebody has decided.

        That is which version is active, and by which thresholds each of them judges.

        Raises:
            ConfigurationError, BundleError: what was decided cannot be read.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`; whoever
                watches the folder tries again.
        """
        for model in list(self._models.get(name, {}).values()):
            if model.thresholds is not None:
                await self._follow_thresholds(model, model.thresholds)
        decision = await asyncio.to_thread(read_activation, self._folder / name)
        async with self._activating:
            if decision == self._decided.get(name) or name not in self._active:
                return
            if decision is not None:
                await self.get(name, decision.active).prove()
                self._decided[name] = decision
                self._make_active(name, decision.active)
                return
            del self._decided[name]
            for model in self._models[name].values():
                if model.ready:
                    self._follow(model)

    async def bring(self, path: Path) -> None:
        """Load a version that is new, or whose folder has changed; it steps in once it is ready.

        A changed one that cannot be served leaves the one until now in its place. Where nobody has
        decided, a version higher than the active one becomes that.
        """
        model = ServedModel(path)
        old = self._models.get(model.name, {}).get(model.version)
        if old is None:
            if model.name not in self._models:
                self._read_decision(model.name)
            self._add(model)
        await self._load(model)
        if old is not None:
            versions = self._models.get(model.name, {})
            if versions.get(model.version) is not old:
                # Somebody else has brought it, or let it go, meanwhile.
                self._retire(model)
                return
            if old.ready and not model.ready:
                logger.error("%s %s goes on as it was", model.name, model.version)
                return
            versions[model.version] = model
            self._retire(old)
        if model.ready:
            self._follow(model)

    def let_go(self, path: Path) -> bool:
        """Serve a version no longer whose folder is gone, once who is being answered is.

        Returns:
            Whether it is let go: the active version goes with its model only.
        """
        name, version = path.parent.name, path.name
        whole = not path.parent.is_dir()
        if self._active.get(name) == version and not whole:
            return False
        versions = self._models.get(name, {})
        model = versions.pop(version, None)
        if model is not None:
            self._retire(model, forget=True)
        if not versions:
            self._models.pop(name, None)
            self._decided.pop(name, None)
        if whole:
            self._active.pop(name, None)
        return True

    async def close(self, drain_timeout_s: float) -> None:
        """Answer what was accepted, then close everything."""
        closing = [model.close(drain_timeout_s) for model in self]
        await asyncio.gather(*closing, *self._retiring)

    async def _load(self, model: ServedModel) -> None:
        # One after another, as each takes much memory for a while.
        async with self._loading:
            await model.load(self._options, self._open_engine, self._pools, self._metrics)

    def _add(self, model: ServedModel) -> None:
        name, version = model.name, model.version
        versions = {**self._models.get(name, {}), version: model}
        self._models[name] = dict(sorted(versions.items(), key=lambda item: natural(item[0])))
        # Looked up, as another may come in its place.
        self._metrics.watch(
            name,
            version,
            VersionFigures(
                depth=lambda: self._models[name][version].depth,
                ready=lambda: self._models[name][version].ready,
                active=lambda: self._active.get(name) == version,
            ),
        )

    def _decide_at_start(self, name: str) -> None:
        self._read_decision(name)
        decision = self._decided.get(name)
        active = decision.active if decision else list(self._models[name])[-1]
        if active not in self._models[name]:
            # Its load fails and says why; no other version answers in its place, as that may
            # be the one that somebody has rolled back.
            self._add(ServedModel(self._folder / name / active))
        self._active[name] = active

    def _read_decision(self, name: str) -> None:
        decision = read_activation(self._folder / name)
        if decision is not None:
            self._decided[name] = decision

    async def _follow_thresholds(self, model: ServedModel, ours: DeployedThresholds) -> None:
        change = await asyncio.to_thread(ours.follow)
        for kind in change.kinds if change else ():
            self._metrics.threshold_changed(model.name, kind)
            value = getattr(ours.in_force, kind)
            logger.info(
                "%s %s takes over the %s threshold %.6g", model.name, model.version, kind, value
            )

    def _follow(self, model: ServedModel) -> None:
        """Make a version active that came while serving, where that is what is to be expected."""
        current, decision = self._active.get(model.name), self._decided.get(model.name)
        if decision is not None:
            wanted = current is None and decision.active == model.version
        else:
            wanted = current is None or natural(model.version) > natural(current)
        if wanted:
            self._make_active(model.name, model.version)

    def _make_active(self, name: str, version: str) -> None:
        before = self._active.get(name)
        if before == version:
            return
        self._active[name] = version
        self._metrics.activated(name)
        logger.info("%s %s is active; until now it was %s", name, version, before or "none")

    def _retire(self, model: ServedModel, *, forget: bool = False) -> None:
        async def retire() -> None:
            await model.retire(self._options.drain_timeout_s)
            if forget and model.version not in self._models.get(model.name, {}):
                self._metrics.forget(model.name, model.version)

        task = asyncio.create_task(retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
