"""One version of one model: loaded, checked, asked, closed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from takt.core.batching.batcher import Batcher
from takt.core.bundles.bundle import Bundle, check_place, load_bundle
from takt.core.bundles.findings import Finding
from takt.core.bundles.thresholds import (
    THRESHOLD_KINDS,
    DeployedThresholds,
    Overrides,
    ThresholdChange,
    read_overrides,
)
from takt.core.domain import ModelInput, ModelOutput
from takt.core.engines.base import EngineOutput
from takt.core.engines.golden import BatchDrift, check_answers
from takt.core.engines.options import EnginePlan
from takt.core.errors import (
    BundleError,
    DriftError,
    EngineHungError,
    NotReadyError,
    TaktError,
)
from takt.core.inspection.pipeline import Pipeline
from takt.core.inspection.source import source_of
from takt.core.pictures.good_facts import knows_good_facts
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.model_metrics import score_bounds
from takt.repository.context import VersionContext
from takt.repository.supervision.engine_room import EngineRoom
from takt.repository.supervision.supervisor import Supervisor

VersionState = Literal["loading", "ready", "failed", "closed"]

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The parts of a version that has loaded.

    Attributes:
        bundle: its files.
        thresholds: in force.
        plan: of its engines; `plan.instances` of them work at the same time.
        engine: what runs where, for people.
        drift: of the engines from the golden answers; the largest of all instances.
        batcher: queues model inputs and runs them on the engines.
        supervisor: keeps the engines at work.
        pipeline: the journey of a picture.
        recorded: whether what it answers is recorded, and so may be watched.
        load_s: seconds that loading took.
    """

    bundle: Bundle
    thresholds: DeployedThresholds
    plan: EnginePlan
    engine: str
    drift: BatchDrift
    batcher: Batcher[ModelInput, ModelOutput]
    supervisor: Supervisor
    pipeline: Pipeline
    recorded: bool
    load_s: float


class ModelVersion:
    """One version of one model, from the moment its folder is found.

    >>> version = ModelVersion(Path("bundles/pitting/1"))
    >>> version.name, version.version, version.state
    ('pitting', '1', 'loading')
    >>> version.check_ready()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.NotReadyError: model pitting, version 1, is not ready: loading; ...

    Args:
        path: the version's folder, `<repository>/<name>/<version>`.

    Attributes:
        name: of the model.
        version: its name.
        title: both, for people.
        state: only a `ready` version answers.
        bundle: once it is read; stays if loading fails later.
        grave: the finding that says not to serve it; None if there is none, or none is known yet.
        thresholds: once they are read; stay if loading fails later.
        loaded: once loading has succeeded.
        failed_s: when loading it failed, or what is to take its place, on the monotonic clock; None
            where that did not, or where it is no use to try again: the answers drift, an engine
            hangs, or thresholds in the folder cannot be read.
        gone: whether its folder is not there, or cannot be read, by now.
        refused: why what its folder has by now does not take its place; None while it may.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.parent.name
        self.version = path.name
        self.title = f"{self.name} {self.version}"
        self.state: VersionState = "loading"
        self.bundle: Bundle | None = None
        self.grave: Finding | None = None
        self.thresholds: DeployedThresholds | None = None
        self.loaded: Loaded | None = None
        self.failed_s: float | None = None
        self.gone = False
        self.refused: str | None = None
        self._failure: str | None = None
        self._read_thresholds: Callable[[], Overrides] | None = None
        self._room: EngineRoom | None = None

    @property
    def ready(self) -> bool:
        """Whether the engines answered the golden inputs, and at least one works."""
        return self.state == "ready" and self.loaded is not None and self.loaded.batcher.healthy

    @property
    def reason(self) -> str | None:
        """Why it failed, or what is wrong with its engines or files; None while all is well."""
        if self.state == "ready" and self.loaded is not None and not self.ready:
            return self.loaded.supervisor.trouble
        return self._failure or self.refused

    @property
    def spoilt(self) -> bool:
        """Whether it answers from memory alone: the next start would not find it as it is."""
        return self.ready and (self.gone or self.refused is not None)

    @property
    def depth(self) -> int:
        """Pictures that wait for an engine."""
        return self.loaded.pipeline.depth if self.loaded else 0

    @property
    def instances(self) -> int:
        """Engines that work at the same time; 1 until it is loaded."""
        return self.loaded.plan.instances if self.loaded else 1

    @property
    def working(self) -> int:
        """Engines that take pictures; fewer than `instances` while some are mended."""
        return self.loaded.batcher.working if self.loaded and self.state == "ready" else 0

    @property
    def pipeline(self) -> Pipeline:
        """The journey of a picture through this version.

        Raises:
            NotReadyError: the version is loading, has failed or is closed.
        """
        return self.check_ready().pipeline

    def check_ready(self) -> Loaded:
        """Returns the parts that answer.

        Raises:
            NotReadyError: the version is loading, has failed or is closed.
        """
        if self.state != "ready" or self.loaded is None:
            raise NotReadyError(
                f"model {self.name}, version {self.version}, is not ready: {self.state}; "
                "/health/ready says why"
            )
        return self.loaded

    async def load(self, context: VersionContext) -> None:
        """Reads the bundle, opens the engines and checks each; a failure is its `reason`."""
        try:
            loaded = self.loaded = await self._load(context)
        except TaktError as error:
            logger.error("%s cannot be served: %s", self.title, error)
            # What drifts does so again, and a thread that hangs in a runtime is lost each time.
            for_good = isinstance(error, DriftError | EngineHungError)
            await self._fail(str(error), for_good=for_good)
        except Exception:
            logger.exception("%s cannot be served", self.title)
            await self._fail("an internal error while loading; the log has it")
        else:
            self.state = "ready"
            logger.info(
                "%s is ready on %s; its golden answers drift by %.2g in score, %.2g in the map",
                self.title,
                loaded.engine,
                loaded.drift.score,
                loaded.drift.anomaly_map,
            )

    async def prove(self) -> BatchDrift:
        """Has the golden inputs answered once more, in turn with the pictures that wait.

        Whoever activates the version thus knows that it is warm and still answers right.

        Raises:
            DriftError: the answers differ from the trained model's.
            EngineError: the engine failed.
            NotReadyError: the version is loading, has failed or is closed.
        """
        loaded = self.check_ready()
        done = await loaded.batcher.submit_parts(list(loaded.bundle.golden.images))
        answers = [one.result for one in done]
        found = EngineOutput(
            anomaly_map=np.stack([answer.anomaly_map for answer in answers]),
            score=np.array([answer.score for answer in answers], np.float32),
        )
        return check_answers(found, loaded.bundle, loaded.engine, loaded.plan.variant)

    def refuse(self, reason: str) -> None:
        """Marks a version that has not loaded as failed."""
        self.state, self._failure = "failed", reason

    async def quiet(self) -> None:
        """Waits until all requests that have begun are answered; no new one may begin."""
        if self.loaded is not None and self.state == "ready":
            await self.loaded.pipeline.quiet()

    async def close(self, drain_timeout_s: float) -> None:
        """Answers the accepted pictures within a time, then closes the engines."""
        self.state = "closed"
        deadline_s = time.monotonic() + drain_timeout_s
        if self.loaded is not None:
            await self.loaded.pipeline.drain(drain_timeout_s)
            await self.loaded.batcher.close(max(0.0, deadline_s - time.monotonic()))
            await self.loaded.supervisor.close()
        elif self._room is not None:
            await self._room.close()
        await self._close_bundle()

    def report_to(self, metrics: Metrics) -> None:
        """Shows the figures of a version that is ready, and logs thresholds that were set."""
        if self.state != "ready" or self.loaded is None:
            return
        bundle, thresholds = self.loaded.bundle, self.loaded.thresholds
        own = bundle.manifest.thresholds.image
        scores = bundle.calibration.good_score
        metrics.loaded(
            self.name,
            self.version,
            seconds=self.loaded.load_s,
            instances=self.instances,
            bounds=score_bounds(float(scores.min()) if len(scores) else own, own),
        )
        if (tested := bundle.manifest.self_test) is not None:
            found = {one.code: f"{one.text}; {one.remedy}" for one in tested.findings}
            metrics.versions.self_tested(self.name, self.version, found)
            for code, text in found.items():
                logger.warning("%s, self-test, %s: %s", self.title, code, text)
        promised = metrics.versions.promised.labels(self.name, self.version)
        promised.set_function(lambda: thresholds.promised_rate)
        has_facts, recorded = knows_good_facts(bundle.calibration), self.loaded.recorded
        metrics.versions.watched(self.name, self.version, recorded=recorded, has_facts=has_facts)
        for kind in THRESHOLD_KINDS:
            metrics.versions.watch_threshold(
                self.name,
                self.version,
                kind,
                lambda kind=kind: getattr(thresholds.in_force, kind),  # type: ignore[misc]
            )
            if (origin := thresholds.origin(kind)).source == "override":
                logger.warning(
                    "%s serves by another %s threshold than its bundle's, %.6g, set at %s",
                    self.title,
                    kind,
                    getattr(thresholds.in_force, kind),
                    origin.since,
                )
        if thresholds.in_force.undecided and not has_facts:
            logger.warning(
                "%s judges every picture, though it is to be undecided about some: it does not "
                "know what its good pictures look like; `takt calibrate` adds it",
                self.title,
            )

    async def thresholds_mended(self) -> bool:
        """Whether the thresholds in the folder, which kept it from loading, can be read by now."""
        if self.state != "failed" or self._read_thresholds is None:
            return False
        try:
            await asyncio.to_thread(self._read_thresholds)
        except BundleError:
            return False
        return True

    async def follow_thresholds(self) -> ThresholdChange | None:
        """Takes over the thresholds in the folder, if the folder still exists.

        Returns:
            What has changed; None if nothing has.

        Raises:
            BundleError: the file of thresholds cannot be understood.
        """
        ours = self.thresholds
        if ours is None:
            return None
        change = await asyncio.to_thread(ours.follow)
        for kind in change.kinds if change else ():
            value = getattr(ours.in_force, kind)
            logger.info("%s takes over the %s threshold %.6g", self.title, kind, value)
        if change is not None and change.before.undecided != change.after.undecided:
            switched = "on" if change.after.undecided else "off"
            logger.info("%s takes over that no decision is %s", self.title, switched)
        return change

    async def _load(self, context: VersionContext) -> Loaded:
        started_s = time.perf_counter()
        repository = self.path.parent.parent
        bundle = self.bundle = await asyncio.to_thread(
            load_bundle, self.path, repository, context.keys
        )
        check_place(self.path, bundle.manifest)
        tested = bundle.manifest.self_test
        self.grave = tested.grave if tested else None
        unsigned = context.unsigned_thresholds
        read = self._read_thresholds = partial(
            read_overrides, self.path, repository, unsigned=unsigned
        )
        overrides = await asyncio.to_thread(read)
        self._read_thresholds = None
        thresholds = self.thresholds = DeployedThresholds(bundle, overrides, unsigned=unsigned)
        room = self._room = EngineRoom(
            self.title, context.open_engine, context.supervision, context.lost
        )
        engines = [first := await room.open(bundle)]
        plan = first.plan
        while len(engines) < plan.instances and not first.engine.shareable:
            engines.append(await room.open(bundle))
        supervisor = Supervisor(
            self.title,
            bundle,
            engines,
            room,
            context.lost,
            context.metrics.engines.of(self.name),
            context.supervision,
        )
        batcher = Batcher(
            supervisor.runners,
            replace(context.batching, max_batch_size=plan.max_batch_size),
            context.metrics.of_model(self.name),
            name=f"{self.name}-{self.version}",
            keeper=supervisor,
            limits=context.supervision.runs,
        )
        supervisor.begin(batcher)
        try:
            pipeline = Pipeline(
                bundle,
                batcher,
                context.pools,
                context.limits,
                thresholds,
                context.memory,
                source_of(bundle, first.engine, plan, context.device_id),
                keeps_facts=context.keeps_facts,
            )
        except Exception:
            await batcher.close(0)
            raise
        return Loaded(
            bundle=bundle,
            thresholds=thresholds,
            plan=plan,
            engine=first.engine.description,
            drift=BatchDrift(
                batch_size=first.drift.batch_size,
                score=max(engine.drift.score for engine in engines),
                anomaly_map=max(engine.drift.anomaly_map for engine in engines),
            ),
            batcher=batcher,
            supervisor=supervisor,
            pipeline=pipeline,
            recorded=context.recorded,
            load_s=time.perf_counter() - started_s,
        )

    async def _fail(self, reason: str, *, for_good: bool = False) -> None:
        self.refuse(reason)
        if self._read_thresholds is None and not for_good:
            self.failed_s = time.monotonic()
        if self._room is not None:
            await self._room.close()
        await self._close_bundle()

    async def _close_bundle(self) -> None:
        if self.bundle is not None:
            await asyncio.to_thread(self.bundle.close)
