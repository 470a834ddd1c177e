"""The model repository: finds bundles, loads them, hands them out, changes them, closes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.engines.opener import EngineOpener
from service.errors import ConfigurationError, ModelNotFoundError
from service.host import return_freed_memory
from service.inspection.pipeline import Pools
from service.observing.metrics import Metrics, VersionGauges
from service.repository.activation import Activation
from service.repository.options import RepositoryOptions
from service.repository.releases import Releases
from service.repository.retirement import Retirement
from service.repository.served_model import ServedModel
from service.repository.versions import find_bundles

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class Activated:
    """What became of a wish for another active version.

    Attributes:
        version: that answers from now on where a request names none.
        before: that did until now.
        previous: that a rollback goes back to, if any.
        persisted: whether it survives a restart.
    """

    version: str
    before: str
    previous: str | None
    persisted: bool


class ModelRepository:
    """Every model version found below a folder; `Releases` says which of a model is active.

    Args:
        folder: `<name>/<version>/manifest.json` below it.
        options: how to load and run.
        open_engine: opens one engine instance for a bundle, and says how to run it.
        pools: threads for pictures.
        metrics: where models report.

    Attributes:
        loaded: set once every model was loaded, or has failed.

    Raises:
        ConfigurationError: the folder is missing or has no bundle.
    """

    def __init__(
        self,
        folder: Path,
        options: RepositoryOptions,
        open_engine: EngineOpener,
        pools: Pools,
        metrics: Metrics,
    ) -> None:
        self._folder = folder
        self._options = options
        self._open_engine = open_engine
        self._pools = pools
        self._metrics = metrics
        self.loaded = asyncio.Event()
        self._models: dict[str, Releases] = {}
        self._loading = asyncio.Lock()
        self._retirement = Retirement()
        for path in find_bundles(folder):
            self._add(ServedModel(path))
        for releases in self._models.values():
            try:
                releases.read_decision()
            except ConfigurationError as error:
                for model in releases:
                    model.refuse(str(error))
            releases.begin()
            for model in releases:
                self._watch(model)

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version of every model, by name, the lowest version first."""
        for releases in list(self._models.values()):
            yield from releases

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models that can be asked for."""
        return tuple(name for name, model in self._models.items() if model.active is not None)

    @property
    def ready(self) -> bool:
        """Whether the active version of every model is, and all else was loaded or has failed."""
        return self.loaded.is_set() and all(self.get(name).ready for name in self.names)

    def knows(self, name: str) -> bool:
        """Whether there is such a model."""
        return (found := self._models.get(name)) is not None and found.active is not None

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """A model by name; its active version unless one is named.

        Raises:
            ModelNotFoundError: there is none; the message lists those that there are.
        """
        return self._of(name).get(version)

    def decided(self, name: str) -> Activation | None:
        """What somebody has decided of a model's versions, if anybody has.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        return self._of(name).decision

    def previous(self, name: str) -> str | None:
        """The version that a rollback goes back to, if any.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        return self._of(name).previous

    async def load(self) -> None:
        """Load the models, one after another; those that fail say so in their state."""
        for model in list(self):
            if model.state == "loading":
                await self._load(model)
                model.show(self._metrics)
        self.loaded.set()
        await asyncio.to_thread(return_freed_memory)

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
        releases = self._of(name)
        model = releases.get(version)
        if model.state in ("failed", "closed"):
            await self._bring(releases, model.path)
        async with releases.changing:
            before = releases.get().version
            if await releases.activate(version, reason):
                self._metrics.activated(name)
            previous = releases.decision.previous if releases.decision else None
            return Activated(version, before, previous, releases.kept)

    async def roll_back(self, name: str, reason: str | None = None) -> Activated:
        """Let the version answer again that did before the last activation.

        Raises:
            ConflictError: no other was active before, or it is gone.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`.
        """
        return await self.activate(name, self._of(name).check_previous(), reason)

    async def follow(self, name: str) -> None:
        """Do as the model's folder says by now, where another server or somebody has decided.

        That is which version is active, and by which thresholds each of them judges.

        Raises:
            ConfigurationError, BundleError: what was decided cannot be read.
            ModelNotFoundError, NotReadyError, DriftError, EngineError: see `activate`; whoever
                watches the folder tries again.
        """
        releases = self._models.get(name)
        if releases is None:
            return
        try:
            async with releases.changing:
                if await releases.follow():
                    self._metrics.activated(name)
        finally:
            for model in releases:
                await self._follow_thresholds(model)

    async def bring(self, path: Path) -> None:
        """Load a version that is new, or whose folder has changed; it steps in once it is ready.

        A changed one that cannot be served leaves the one until now in its place. Where nobody has
        decided, a version higher than the active one becomes that.

        Raises:
            ConfigurationError: what was decided of a new model cannot be read.
        """
        releases = self._models.get(path.parent.name)
        if releases is None:
            releases = Releases(path.parent)
            await asyncio.to_thread(releases.read_decision)
            self._models[releases.name] = releases
        await self._bring(releases, path)
        model = releases.find(path.name)
        if model is not None and releases.step_in(model):
            self._metrics.activated(releases.name)

    async def let_go(self, path: Path) -> bool:
        """Serve a version no longer whose folder is gone, once who is being answered is.

        Returns:
            Whether it is let go: the active version goes with its model only.
        """
        name, version = path.parent.name, path.name
        releases = self._models.get(name)
        if releases is None:
            return True
        async with releases.changing:
            whole = not await asyncio.to_thread(path.parent.is_dir)
            if releases.active == version and not whole:
                return False
            model = releases.take(version)
            if model is not None:
                self._retirement.add(model, closed=partial(self._forget, name, version))
            if whole:
                releases.active = None
            if not len(releases) and self._models.get(name) is releases:
                del self._models[name]
            return True

    async def close(self, drain_timeout_s: float) -> None:
        """Answer what was accepted, then close everything."""
        closing = [model.close(drain_timeout_s) for model in self]
        ended = await asyncio.gather(
            *closing, self._retirement.close(drain_timeout_s), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                logger.error("a model could not be closed", exc_info=error)

    def _of(self, name: str) -> Releases:
        found = self._models.get(name)
        if found is None or found.active is None:
            names = ", ".join(self.names)
            raise ModelNotFoundError(f"there is no model {name!r}; this server has {names}")
        return found

    def _add(self, model: ServedModel) -> None:
        if model.name not in self._models:
            self._models[model.name] = Releases(model.path.parent)
        self._models[model.name].put(model)

    async def _load(self, model: ServedModel) -> None:
        # One after another, as each takes much memory for a while.
        async with self._loading:
            await model.load(self._options, self._open_engine, self._pools, self._metrics)

    async def _bring(self, releases: Releases, path: Path) -> None:
        model, old = ServedModel(path), releases.find(path.name)
        if old is None:
            releases.put(model)
            self._watch(model)
            await self._load(model)
            model.show(self._metrics)
            return
        try:
            await self._load(model)
            await self._replace(releases, old, model)
        except BaseException:
            self._retirement.add(model)
            raise

    async def _replace(self, releases: Releases, old: ServedModel, model: ServedModel) -> None:
        if old.ready and not model.ready:
            logger.error("%s %s goes on as it was", model.name, model.version)
            return
        if old.thresholds is not None and model.thresholds is not None:
            await asyncio.to_thread(model.thresholds.take_over, old.thresholds)
        if releases.find(model.version) is not old:
            # Somebody else has brought it, or let it go, meanwhile.
            self._retirement.add(model)
            return
        releases.put(model)
        model.show(self._metrics)
        self._retirement.add(old)

    def _watch(self, model: ServedModel) -> None:
        """Have its figures read; looked up each time, as another may come in its place."""
        name, version = model.name, model.version

        def active() -> float:
            return (found := self._models.get(name)) is not None and found.active == version

        self._metrics.watch(
            name,
            version,
            VersionGauges(
                depth=lambda: one.depth if (one := self._find(name, version)) else 0,
                ready=lambda: one.ready if (one := self._find(name, version)) else 0,
                active=active,
            ),
        )

    def _find(self, name: str, version: str) -> ServedModel | None:
        return found.find(version) if (found := self._models.get(name)) else None

    def _forget(self, name: str, version: str) -> None:
        if self._find(name, version) is None:
            self._metrics.forget(name, version)

    async def _follow_thresholds(self, model: ServedModel) -> None:
        """Judge by what the folder says, unless it is gone and the version goes on from memory."""
        ours = model.thresholds
        if ours is None or not await asyncio.to_thread(model.path.is_dir):
            return
        change = await asyncio.to_thread(ours.follow)
        for kind in change.kinds if change else ():
            self._metrics.threshold_changed(model.name, kind)
            value = getattr(ours.in_force, kind)
            logger.info(
                "%s %s takes over the %s threshold %.6g", model.name, model.version, kind, value
            )
