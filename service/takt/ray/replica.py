"""One replica: the whole server, with engines of its own, as Ray starts, watches and ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.serve.exceptions import DeploymentUnavailableError

from takt.api.document.application import Application
from takt.app import create_app
from takt.configuration import unknown_variables
from takt.core.errors import NotReadyError
from takt.observing.instruments.gpu_metrics import find_gpus
from takt.observing.instruments.merging import told
from takt.observing.line_writer import LineWriter
from takt.observing.logging_setup import configure_logging
from takt.parts.composing.assembly import foundation_of
from takt.peers import Message
from takt.ray.given import settings_of
from takt.ray.load import Load
from takt.ray.metrics_of_all import MetricsOfAll, OfReplica
from takt.ray.mounted import Mounted
from takt.ray.replicas import Replicas, Told
from takt.ray.running import until_known, until_left_out
from takt.ray.share import Share, fitted
from takt.recording.record import open_record
from takt.repository.repository import ModelRepository

logger = logging.getLogger("takt.ray")


class Replica:
    """Opens the application on the replica's own event loop; Ray calls the other methods there.

    Args:
        given: settings, over those of the replica's environment.

    Raises:
        ConfigurationError: a setting is wrong, there or here.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        share = _share()
        settings = fitted(settings_of(given), share)
        self._writer = LineWriter(sys.stderr)
        configure_logging(settings.log_level, settings.log_format, self._writer)
        for warning in unknown_variables(settings.plugins):
            logger.warning(warning)
        record = open_record(settings.data_folder, settings.record)
        context = serve.get_replica_context()
        handle = serve.get_deployment_handle(context.deployment, context.app_name)
        self._name: str = context.replica_id.unique_id
        self._replicas = Replicas(
            self._name,
            partial(handle.broadcast, "hear"),
            DeploymentUnavailableError,
            (ActorDiedError, ActorUnavailableError),
        )
        app = create_app(settings, write=self._writer.put, record=record, peers=self._replicas)
        assert isinstance(app, Application)
        app.layers.insert(0, partial(MetricsOfAll, ask=partial(handle.broadcast, "metrics")))
        app.layers.append(Mounted)
        self._takt = app
        self._tasks: list[asyncio.Task[None]] = []
        self._foundation = foundation_of(app)
        self._load = Load(self._foundation.metrics, share)
        self._gpus = find_gpus()
        self._settled = False

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The application; Ray begins its lifespan, and ends it with the replica."""
        self._tasks = [asyncio.create_task(job()) for job in (self._catch_up, self._end_streams)]
        return self._takt

    async def _catch_up(self) -> None:
        """Take what changes while the others do not know of this replica yet."""
        await self._foundation.models.repository.loaded.wait()
        await until_known(self._replicas.known, self._foundation.catch_up)
        logger.info("every other replica tells this one of changes from now on")

    async def _end_streams(self) -> None:
        """Send the streams elsewhere once no request comes here any more."""
        sessions, listeners = self._foundation.sessions, self._foundation.listeners
        await until_left_out(
            self._name, self._replicas.names, lambda: any(sessions) or bool(listeners)
        )
        logger.info("the replica is to end; its streams answer what they accepted")
        await self._foundation.close_streams(self._foundation.drain.left_s())

    async def check_health(self) -> None:
        """Whether the replica is to go on; the first time, once its models have answered.

        Raises:
            NotReadyError: a model cannot be served, or too many threads hang in engines.
        """
        models = self._foundation.models
        if not self._settled:
            await models.repository.loaded.wait()
            if not models.repository.ready:
                raise NotReadyError(_why(models.repository))
            # As `takt serve` does: what was loaded stays, and need not be looked at again.
            gc.collect()
            gc.freeze()
            self._settled = True
        if models.context.lost.too_many.is_set():
            raise NotReadyError("too many threads hang in engines; the replica is started anew")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """By what the number of replicas follows."""
        return self._load.read()

    async def hear(self, asker: str, topic: str, body: Message) -> Told:
        """Answer another replica."""
        return await self._replicas.hear(asker, topic, body)

    async def metrics(self) -> OfReplica:
        """Which replica this is, and its metrics, with those of its GPU."""
        families = self._foundation.host_metrics.own()
        if self._gpus is not None:
            families += await asyncio.to_thread(list, self._gpus.collect())
        return self._name, told(families)

    async def __del__(self) -> None:
        """Ray calls this once the application has ended."""
        for task in self._tasks:
            task.cancel()
        self._writer.close()


def _why(repository: ModelRepository) -> str:
    """What keeps it from being ready."""
    if (waits := repository.waits) is not None:
        return waits
    reasons = [
        f"{version.name} {version.version}: {version.reason}"
        for version in repository
        if repository.is_active(version.name, version.version) and not version.ready
    ]
    return "; ".join(reasons)


def _share() -> Share:
    assigned = ray.get_runtime_context().get_assigned_resources()
    return Share(assigned.get("CPU", 0.0), assigned.get("GPU", 0.0))
