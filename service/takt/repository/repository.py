"""The model repository: the models in a folder, loaded, found by name, and closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path

from takt.core.errors import ConfigurationError, ModelNotFoundError
from takt.core.host import return_freed_memory
from takt.recording.audit.served import ServedModel
from takt.repository.context import VersionContext
from takt.repository.lifecycle import Lifecycle
from takt.repository.model import Model
from takt.repository.model_version import ModelVersion
from takt.repository.versions import find_models

_EMPTY = (
    "the model repository {} has no model yet: learn the first one on the console's page Learn "
    "(/console/learn) or with `takt learn`, or put a bundle there as <name>/<version>"
)

logger = logging.getLogger("takt.repository")


class ModelRepository:
    """Every model version found below a folder; a `Model` states which of its versions is active.

    >>> import asyncio
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from takt.core.inspection.inference import Pools
    >>> from takt.observing.instruments.metrics import Metrics
    >>> from takt.repository.context import version_context
    >>> from takt.settings import Settings
    >>> settings = Settings(repository=Path("examples/models"), engine="onnxruntime")
    >>> async def load() -> list[str]:
    ...     with ThreadPoolExecutor(1) as threads:
    ...         context = version_context(settings, Pools(threads, threads, 1), Metrics())
    ...         repository = ModelRepository(settings.repository_folder, context)
    ...         await repository.load()
    ...         states = [f"{one.name} {one.version} {one.state}" for one in repository]
    ...         await repository.close(drain_timeout_s=10)
    ...         return states
    >>> asyncio.run(load())
    ['pitting 1 ready']

    Args:
        folder: holds `<name>/<version>/manifest.json`.
        context: what versions are loaded with.
        next_look: waits until the folder may have been filled; without it, it has to be by now.
        begins_empty: whether there need be no model yet; the first one comes while it serves.

    Attributes:
        found: set once it is known which models and versions there are.
        loaded: set once every version was loaded, or has failed.

    Raises:
        ConfigurationError: the folder is missing or has no bundle, and has to have one.
    """

    def __init__(
        self,
        folder: Path,
        context: VersionContext,
        next_look: Callable[[], Awaitable[None]] | None = None,
        *,
        begins_empty: bool = False,
    ) -> None:
        self.found = asyncio.Event()
        self.loaded = asyncio.Event()
        self._folder = folder
        self._next_look = next_look
        self._begins_empty = begins_empty
        self._lifecycle = Lifecycle(context)
        # A model stays here when its folder goes, without versions: its name may come again.
        self._models: dict[str, Model] = {}
        try:
            self._start(self._find())
        except ConfigurationError:
            if next_look is None:
                raise

    def __iter__(self) -> Iterator[ModelVersion]:
        """Every version of every model, by name, the lowest version first."""
        for model in list(self._models.values()):
            yield from model

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models that have an active version, or one that waits to be the first."""
        return tuple(name for name, model in self._models.items() if model.known)

    @property
    def served(self) -> dict[str, ServedModel]:
        """What is served of each model by now, by its name."""
        return {name: model.served for name, model in self._models.items()}

    @property
    def ready(self) -> bool:
        """Whether every active version is ready, and all others were loaded or have failed.

        A model that waits for its first activation does not count, unless none answers at all.
        Where there is no active version there is nothing that could be asked.
        """
        active = [one for one in self._models.values() if one.active is not None]
        return self.loaded.is_set() and bool(active) and all(one.get().ready for one in active)

    @property
    def waits(self) -> str | None:
        """Why no model answers: there is none yet, or all wait for an activation."""
        if not any(True for _ in self):
            return _EMPTY.format(self._folder)
        known = [one for one in self._models.values() if one.known]
        if any(one.active is not None for one in known):
            return None
        return "; ".join(one.waits for one in known if one.waits) or None

    def versions_of(self, name: str) -> tuple[ModelVersion, ...]:
        """The versions of a model, the lowest first; none of a model that is not there."""
        return tuple(self._models.get(name, ()))

    def knows(self, name: str) -> bool:
        """Whether there is a model of this name."""
        return (found := self._models.get(name)) is not None and found.known

    def model(self, name: str) -> Model:
        """Returns a model.

        Raises:
            ModelNotFoundError: there is none; the message lists the models that there are.
        """
        found = self._models.get(name)
        if found is None or not found.known:
            names = ", ".join(self.names) or "none yet"
            raise ModelNotFoundError(f"there is no model {name!r}; this server has {names}")
        return found

    def get(self, name: str, version: str | None = None) -> ModelVersion:
        """Returns a version of a model, or its active one.

        Raises:
            ModelNotFoundError: there is no such model or version.
            NotReadyError: none is named, and the model waits for its first activation.
        """
        return self.model(name).get(version)

    def is_active(self, name: str, version: str) -> bool:
        """Whether a version answers where a request names none; from any thread."""
        return (found := self._models.get(name)) is not None and found.active == version

    async def load(self, catch_up: Callable[[], Awaitable[None]] | None = None) -> None:
        """Loads the versions one after another; a version that fails states why.

        Args:
            catch_up: takes what changed while the versions loaded.
        """
        while not self.found.is_set() and self._next_look is not None:
            await self._next_look()
            with contextlib.suppress(ConfigurationError):  # there is nothing yet
                self._start(await asyncio.to_thread(self._find))
        for version in list(self):
            if version.state == "loading":
                await self._lifecycle.load(version)
                version.report_to(self._lifecycle.metrics)
        if catch_up is not None:
            await catch_up()
        self.loaded.set()
        await asyncio.to_thread(return_freed_memory)

    async def settled(self) -> None:
        """Waits until what was in the folder at the start is loaded, if anything was."""
        if self.found.is_set():
            await self.loaded.wait()

    def _find(self) -> dict[str, Model]:
        found = {}
        for folder, paths in find_models(self._folder, may_be_empty=self._begins_empty).items():
            model = found[folder.name] = Model(folder, self._lifecycle)
            model.start(paths)
        return found

    def _start(self, models: dict[str, Model]) -> None:
        self._models = models
        self.found.set()

    async def follow(self, name: str) -> None:
        """Takes over what a model's folder states by now; see `Model.follow`."""
        if (model := self._models.get(name)) is not None:
            await model.follow()

    async def load_version(self, path: Path) -> None:
        """Loads a version that is new, or whose folder has changed; see `Model.load_version`."""
        name = path.parent.name
        if name not in self._models:
            self._models[name] = Model(path.parent, self._lifecycle)
        await self._models[name].load_version(path)

    async def remove_version(self, path: Path) -> bool:
        """Stops serving a version whose folder is gone; see `Model.remove_version`."""
        model = self._models.get(path.parent.name)
        return model is None or await model.remove_version(path.name)

    def found_on_disk(self, paths: Collection[Path]) -> None:
        """Notes whose folders are there by now."""
        for version in self:
            version.gone = version.path not in paths

    async def close(self, drain_timeout_s: float) -> None:
        """Answers the accepted pictures within a time, then closes every version."""
        closing = [version.close(drain_timeout_s) for version in self]
        ended = await asyncio.gather(
            *closing, self._lifecycle.close(drain_timeout_s), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                logger.error("a model could not be closed", exc_info=error)
