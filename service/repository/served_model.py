"""One version of one model, while it is served: loaded, proved, asked, closed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from service.batching.batcher import Batcher
from service.bundles.bundle import Bundle, check_place, load_bundle
from service.bundles.thresholds import THRESHOLD_KINDS, DeployedThresholds, read_overrides
from service.bundles.variant import Variant
from service.domain import Image, ModelOutput
from service.engines.base import Engine, EngineOutput
from service.engines.batches import batch_runner
from service.engines.golden import BatchDrift, check_answers, check_golden
from service.engines.opener import EngineOpener, OpenedEngine
from service.errors import NotReadyError, TaktError
from service.inspection.pipeline import Pipeline, Pools
from service.observing.metrics import Metrics
from service.observing.model_metrics import score_bounds
from service.repository.options import RepositoryOptions

State = Literal["loading", "ready", "failed", "closed"]

logger = logging.getLogger("takt.repository")


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
        load_s: seconds that loading took, once loaded.
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
        self.load_s = 0.0
        self.instances = 1
        self.thresholds: DeployedThresholds | None = None
        self._variant: Variant | None = None
        self._engines: list[Engine] = []
        self._batcher: Batcher[Image, ModelOutput] | None = None
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
        self.check_ready()
        assert self._pipeline is not None
        return self._pipeline

    def check_ready(self) -> None:
        """Refuse at once what it could not answer.

        Raises:
            NotReadyError: it is loading, has failed or is closed.
        """
        if self.state != "ready" or self._pipeline is None:
            raise self._not_ready()

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
        self, options: RepositoryOptions, open_engine: EngineOpener, pools: Pools, metrics: Metrics
    ) -> None:
        """Read the bundle, open its engines and check each; failing sets `state` and `reason`."""
        started_s = time.perf_counter()
        try:
            self.bundle = await asyncio.to_thread(load_bundle, self.path)
            check_place(self.path, self.bundle.manifest)
            overrides = await asyncio.to_thread(read_overrides, self.path)
            self.thresholds = DeployedThresholds(self.bundle, overrides)
            opened = await self._open(open_engine, self.bundle)
            plan, drifts = opened.plan, [await _check(opened, self.bundle)]
            self._variant = plan.variant
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
            self.load_s = time.perf_counter() - started_s
        except TaktError as error:
            logger.error("%s %s cannot be served: %s", self.name, self.version, error)
            self.refuse(str(error))
        except Exception:
            logger.exception("%s %s cannot be served", self.name, self.version)
            self.refuse("an internal error while loading; the log has it")
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

    async def prove(self) -> BatchDrift:
        """Have the golden inputs answered once more, in turn with the pictures that wait.

        Whoever makes it the active version so knows that it is warm, and still answers right.

        Raises:
            DriftError: it answers unlike the trained model.
            EngineError: its engine failed.
            NotReadyError: it is loading, has failed or is closed.
        """
        if self.state != "ready" or self._batcher is None or self.bundle is None:
            raise self._not_ready()
        done = await self._batcher.submit_parts(list(self.bundle.golden.images))
        answers = [one.result for one in done]
        found = EngineOutput(
            anomaly_map=np.stack([answer.anomaly_map for answer in answers]),
            score=np.array([answer.score for answer in answers], np.float32),
        )
        return check_answers(found, self.bundle, self.engine or "", self._variant)

    def refuse(self, reason: str) -> None:
        """Serve nothing, and say why."""
        self.state, self.reason = "failed", reason
        self._close_engines()

    async def quiet(self) -> None:
        """Wait until all who have begun to ask it are answered; nobody else may ask it."""
        if self._pipeline is not None and self.state == "ready":
            await self._pipeline.quiet()

    async def close(self, drain_timeout_s: float) -> None:
        """Answer what was accepted, then close the engines."""
        self.state = "closed"
        deadline_s = time.monotonic() + drain_timeout_s
        if self._pipeline is not None:
            await self._pipeline.drain(drain_timeout_s)
        if self._batcher is not None:
            await self._batcher.close(max(0.0, deadline_s - time.monotonic()))
        # An engine of a GPU takes its time to give its memory back.
        await asyncio.to_thread(self._close_engines)

    async def _open(self, open_engine: EngineOpener, bundle: Bundle) -> OpenedEngine:
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

    def show(self, metrics: Metrics) -> None:
        """Have its figures read from now on; nothing where it is not ready."""
        if self.state != "ready" or self.bundle is None or self.thresholds is None:
            return
        own = self.bundle.manifest.thresholds.image
        scores = self.bundle.calibration.good_score
        metrics.loaded(
            self.name,
            self.version,
            seconds=self.load_s,
            instances=self.instances,
            bounds=score_bounds(float(scores.min()) if len(scores) else own, own),
        )
        thresholds = self.thresholds
        for kind in THRESHOLD_KINDS:
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

    def _close_engines(self) -> None:
        while self._engines:
            try:
                self._engines.pop().close()
            except Exception:
                logger.exception("an engine of %s %s did not close", self.name, self.version)


def _largest(drifts: Sequence[BatchDrift]) -> BatchDrift:
    return BatchDrift(
        batch_size=drifts[0].batch_size,
        score=max(drift.score for drift in drifts),
        anomaly_map=max(drift.anomaly_map for drift in drifts),
    )


async def _check(opened: OpenedEngine, bundle: Bundle) -> BatchDrift:
    """See that an engine answers like the trained model, and leave it as small as it may be."""
    drift = await asyncio.to_thread(
        check_golden,
        opened.engine,
        bundle,
        opened.plan.variant,
        partial(opened.drifting_layers, bundle),
    )
    await asyncio.to_thread(opened.engine.trim)
    return drift


def _close_if_opened(opening: asyncio.Future[OpenedEngine]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().engine.close()
