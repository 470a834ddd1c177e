"""The model repository: finds bundles, loads them, hands out their pipelines, closes them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from service.batcher import Batcher, BatcherOptions
from service.bundle import MANIFEST, Bundle, check_place, load_bundle
from service.domain import Answer, Image
from service.engines.base import Engine
from service.engines.batches import batch_runner
from service.engines.golden import BatchDrift, check_golden
from service.errors import (
    ConfigurationError,
    ModelNotFoundError,
    NotReadyError,
    TaktError,
)
from service.metrics import Metrics
from service.opening import Open, Opened
from service.pipeline import Limits, Pipeline, Pools
from service.thresholds import KINDS, DeployedThresholds, read_overrides

State = Literal["loading", "ready", "failed", "closed"]

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True)
class RepositoryOptions:
    """How models are loaded and run, beside what the plan of each says.

    Attributes:
        batching: all but `max_batch_size`, which is the plan's.
        limits: of pictures and answers.
    """

    batching: BatcherOptions
    limits: Limits


class ServedModel:
    """One version of one model, from the moment its folder was found.

    Attributes:
        name: the folder's.
        version: likewise.
        state: `loading`, `ready`, `failed` (see `reason`) or `closed`.
        reason: why it failed, else None.
        bundle: once loaded.
        engine: what runs it, for people, once loaded.
        drift: of the engine from the golden answers, once loaded; of several, the largest.
        instances: of the engine, which work at the same time; once loaded.
        thresholds: in force, once loaded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.parent.name
        self.version = path.name
        self.state: State = "loading"
        self.reason: str | None = None
        self.bundle: Bundle | None = None
        self.engine: str | None = None
        self.drift: BatchDrift | None = None
        self.instances = 1
        self.thresholds: DeployedThresholds | None = None
        self._engines: list[Engine] = []
        self._batcher: Batcher[Image, Answer] | None = None
        self._pipeline: Pipeline | None = None

    @property
    def ready(self) -> bool:
        """Whether the engine answered the golden inputs and still lives."""
        return self.state == "ready" and self._batcher is not None and self._batcher.healthy

    @property
    def depth(self) -> int:
        """Pictures that wait for the engine."""
        return self._pipeline.depth if self._pipeline else 0

    @property
    def at_once(self) -> int:
        """Pictures that its engines hold at the same time, at most."""
        batch = self._batcher.options.max_batch_size if self._batcher else 1
        return self.instances * batch

    @property
    def pipeline(self) -> Pipeline:
        """The journey through this model.

        Raises:
            NotReadyError: it is loading, has failed or is closed.
        """
        if self.state != "ready" or self._pipeline is None:
            raise self._not_ready()
        return self._pipeline

    @property
    def thresholds_to_change(self) -> DeployedThresholds:
        """The thresholds, while somebody may change them.

        Raises:
            NotReadyError: the model is loading, has failed or is closed.
        """
        if self.state != "ready" or self.thresholds is None:
            raise self._not_ready()
        return self.thresholds

    async def load(
        self, options: RepositoryOptions, open_engine: Open, pools: Pools, metrics: Metrics
    ) -> None:
        """Read the bundle, open its engines and check each; failing sets `state` and `reason`."""
        try:
            self.bundle = await asyncio.to_thread(load_bundle, self.path)
            check_place(self.path, self.bundle.manifest)
            overrides = await asyncio.to_thread(read_overrides, self.path)
            self.thresholds = DeployedThresholds(self.bundle, overrides)
            opened = await self._open(open_engine, self.bundle)
            plan, drifts = opened.plan, [await _check(opened, self.bundle)]
            instances = [opened.engine] * (plan.instances if opened.engine.shareable else 1)
            while len(instances) < plan.instances:
                opened = await self._open(open_engine, self.bundle)
                drifts.append(await _check(opened, self.bundle))
                instances.append(opened.engine)
            self.engine = self._engines[0].description
            self.drift = _largest(drifts)
            self.instances = plan.instances
            self._batcher = Batcher(
                [batch_runner(engine) for engine in instances],
                replace(options.batching, max_batch_size=plan.max_batch_size),
                metrics.of_model(self.name),
                name=f"{self.name}-{self.version}",
            )
            self._pipeline = Pipeline(
                self.bundle, self._batcher, pools, options.limits, self.thresholds
            )
            self._show(self.thresholds, metrics)
        except TaktError as error:
            logger.error("%s %s cannot be served: %s", self.name, self.version, error)
            self._fail(str(error))
        except Exception:
            logger.exception("%s %s cannot be served", self.name, self.version)
            self._fail("an internal error while loading; the log has it")
        else:
            self.state = "ready"
            logger.info(
                "%s %s is ready on %s; its golden answers drift by %.2g in score, %.2g in the map",
                self.name,
                self.version,
                self.engine,
                self.drift.score,
                self.drift.anomaly_map,
            )

    async def close(self, drain_timeout_s: float) -> None:
        """Answer what was accepted, then close the engines."""
        self.state = "closed"
        deadline_s = time.monotonic() + drain_timeout_s
        if self._pipeline is not None:
            await self._pipeline.drain(drain_timeout_s)
        if self._batcher is not None:
            await self._batcher.close(max(0.0, deadline_s - time.monotonic()))
        self._close_engines()

    async def _open(self, open_engine: Open, bundle: Bundle) -> Opened:
        """Open an engine; one that opens after the service gave up waiting is closed again."""
        opening = asyncio.ensure_future(asyncio.to_thread(open_engine, bundle))
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_if_opened)
            raise
        self._engines.append(opened.engine)
        return opened

    def _not_ready(self) -> NotReadyError:
        return NotReadyError(
            f"model {self.name}, version {self.version}, is not ready: {self.state}; "
            "/health/ready says why"
        )

    def _show(self, thresholds: DeployedThresholds, metrics: Metrics) -> None:
        for kind in KINDS:
            metrics.watch_threshold(
                self.name,
                self.version,
                kind,
                lambda kind=kind: getattr(thresholds.in_force, kind),  # type: ignore[misc]
            )
            if (origin := thresholds.origin(kind)).source == "override":
                logger.warning(
                    "%s %s serves by another %s threshold than its bundle's, %.6g, set at %s",
                    self.name,
                    self.version,
                    kind,
                    getattr(thresholds.in_force, kind),
                    origin.since,
                )

    def _fail(self, reason: str) -> None:
        self.state, self.reason = "failed", reason
        self._close_engines()

    def _close_engines(self) -> None:
        while self._engines:
            self._engines.pop().close()


class ModelRepository:
    """Every model version found below a folder; the highest version of a name is active.

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
        open_engine: Open,
        pools: Pools,
        metrics: Metrics,
    ) -> None:
        self._options = options
        self._open_engine = open_engine
        self._pools = pools
        self._metrics = metrics
        self.loaded = asyncio.Event()
        self._models: dict[str, dict[str, ServedModel]] = {}
        for path in _find_bundles(folder):
            model = ServedModel(path)
            self._models.setdefault(model.name, {})[model.version] = model
            metrics.watch(
                model.name,
                model.version,
                depth=lambda model=model: model.depth,  # type: ignore[misc]
                ready=lambda model=model: float(model.ready),  # type: ignore[misc]
            )

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version of every model, by name, the lowest version first."""
        for versions in self._models.values():
            yield from versions.values()

    @property
    def ready(self) -> bool:
        """Whether every model is."""
        return all(model.ready for model in self)

    async def load(self) -> None:
        """Load the models, one after another; those that fail say so in their state."""
        for model in self:
            await model.load(self._options, self._open_engine, self._pools, self._metrics)
        self.loaded.set()

    async def close(self, drain_timeout_s: float) -> None:
        """Answer what was accepted, then close everything."""
        await asyncio.gather(*(model.close(drain_timeout_s) for model in self))

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """A model by name; its active version unless one is named.

        Raises:
            ModelNotFoundError: there is none; the message lists those that there are.
        """
        versions = self._models.get(name)
        if versions is None:
            names = ", ".join(self._models)
            raise ModelNotFoundError(f"there is no model {name!r}; this server has {names}")
        if version is None:
            return list(versions.values())[-1]
        if version not in versions:
            raise ModelNotFoundError(
                f"model {name} has no version {version!r}; it has {', '.join(versions)}"
            )
        return versions[version]


def _find_bundles(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise ConfigurationError(
            f"the model repository {folder} is no folder; name one with --repository"
        )
    found = [
        path.parent
        for path in folder.glob(f"*/*/{MANIFEST}")
        if not any(part.startswith(".") for part in path.parent.relative_to(folder).parts)
    ]
    if not found:
        raise ConfigurationError(
            f"the model repository {folder} has no bundle <name>/<version>/{MANIFEST}; make one "
            "with `takt export`"
        )
    return sorted(found, key=lambda path: (path.parent.name, _natural(path.name)))


def _natural(version: str) -> tuple[object, ...]:
    """Sorts 2 before 10, v1.9 before v1.10 and 2.0-rc1 before 2.0."""
    release, dash, candidate = version.partition("-")
    return _parts(release), dash == "", _parts(candidate)


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", text)
    )


def _largest(drifts: Sequence[BatchDrift]) -> BatchDrift:
    return BatchDrift(
        batch_size=drifts[0].batch_size,
        score=max(drift.score for drift in drifts),
        anomaly_map=max(drift.anomaly_map for drift in drifts),
    )


async def _check(opened: Opened, bundle: Bundle) -> BatchDrift:
    """See that an engine answers like the trained model, and leave it as small as it may be."""
    drift = await asyncio.to_thread(
        check_golden,
        opened.engine,
        bundle,
        opened.plan.variant,
        partial(opened.begins_at, bundle),
    )
    await asyncio.to_thread(opened.engine.trim)
    return drift


def _close_if_opened(opening: asyncio.Future[Opened]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().engine.close()
