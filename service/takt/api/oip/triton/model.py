"""What Triton's Python backend calls; `takt export triton` writes a `model.py` that imports it."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from takt.api.oip.inspecting import inspect_together, written
from takt.api.oip.request import InferenceRequest, OipLimits
from takt.api.oip.triton.graph import TritonGraphEngine
from takt.api.oip.triton.loop import EventLoopThread
from takt.api.oip.triton.request import TritonRequest, refusal
from takt.configuration import load_settings
from takt.core.bundles.bundle import Bundle
from takt.core.domain import Inspection
from takt.core.errors import NotReadyError, TaktError
from takt.core.inspection.inference import Pools
from takt.core.inspection.pipeline import Pipeline
from takt.core.tensors.triton import TritonForm, parameters_of
from takt.observing.instruments.metrics import Metrics
from takt.repository.context import VersionContext, version_context
from takt.repository.model_version import ModelVersion
from takt.settings import Settings

BACKEND = "triton_python_backend_utils"
"""Triton's package, which only a Python model of Triton can import."""

logger = logging.getLogger("takt.triton")


class TritonPythonModel:
    """One process of a bundle's Python model; its name and methods are Triton's.

    Settings come from the environment of Triton (`TAKT_<NAME>`), as those of Takt's server do; the
    cores are shared by the processes of the model.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Makes the pipeline; with an engine of its own, loads and proves the bundle.

        Args:
            args: Triton's: the model's configuration in JSON, its folder and its version.

        Raises:
            TritonModelException: the bundle cannot be served; the message says why.
        """
        self._triton: Any = importlib.import_module(BACKEND)
        config = json.loads(args["model_config"])
        self._form = TritonForm.read(parameters_of(config))
        self._path = Path(args["model_repository"], args["model_version"]).absolute()
        self._version: ModelVersion | None = None
        processes = sum(int(group.get("count", 1)) for group in config.get("instance_group", ()))
        # As the server does: pictures have threads of their own.
        cv2.setNumThreads(1)
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._settings = settings_of_process(load_settings(), self._form, max(1, processes))
            threads = self._settings.threads_for_decoding
            self._pools = [ThreadPoolExecutor(threads) for _ in range(2)]
            self._context = self._versions_context(threads)
        except TaktError as error:
            raise self._triton.TritonModelException(str(error)) from error
        self._limits = OipLimits.of(self._settings)
        self._loop = EventLoopThread()
        if self._form.graph is None:
            try:
                self._loop.run(self._pipeline())
            except TaktError as error:
                self.finalize()
                raise self._triton.TritonModelException(str(error)) from error

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers Triton's requests, each with its response or its error."""
        return self._loop.run(self._answer_all(requests))

    def finalize(self) -> None:
        """Gives back engines and threads; Triton sends no more requests."""
        if self._version is not None:
            self._loop.run(self._version.close(self._settings.drain_timeout_s))
        self._loop.stop()
        for pool in self._pools:
            pool.shutdown()

    async def _answer_all(self, requests: Sequence[Any]) -> list[Any]:
        return await asyncio.gather(*(self._answer(one) for one in requests))

    async def _answer(self, given: Any) -> Any:
        try:
            request = TritonRequest(given, self._limits)
            pipeline = await self._pipeline()
            inspections = await inspect_together(pipeline, request.inference, 0.0, caller="")

            def write(_: InferenceRequest, found: Sequence[Inspection]) -> Any:
                return request.answer(self._triton, found)

            return await written(write, request.inference, inspections)
        except TaktError as error:
            return refusal(self._triton, error)
        except Exception:
            logger.exception("a request of Triton failed")
            return refusal(self._triton, TaktError("an internal error; Triton's log has it"))

    async def _pipeline(self) -> Pipeline:
        """The pipeline, of a version that has answered its golden inputs.

        Triton lets no model ask another one before both are loaded, so a graph that Triton runs is
        proved by the first request, and again by the next one if that fails.

        Raises:
            NotReadyError: the bundle cannot be served; the message says why.
        """
        if self._version is None:
            version = ModelVersion(self._path)
            await version.load(self._context)
            if version.state != "ready":
                await version.close(0)
                raise NotReadyError(f"{version.reason}")
            self._version = version
        return self._version.pipeline

    def _versions_context(self, threads: int) -> VersionContext:
        preparing, finishing = self._pools
        graph = self._form.graph
        return version_context(
            self._settings,
            Pools(preparing, finishing, threads),
            Metrics(self._settings.max_queue_size),
            None if graph is None else partial(self._ask_triton, graph),
        )

    def _ask_triton(self, model: str, bundle: Bundle) -> TritonGraphEngine:
        return TritonGraphEngine(self._triton, model, int(bundle.manifest.version))


def settings_of_process(ours: Settings, form: TritonForm, processes: int) -> Settings:
    """The settings of one of several processes, which share the cores.

    Args:
        ours: from the environment.
        form: how the bundle runs.
        processes: of the model.
    """
    cores = max(1, ours.cores // processes)
    changed: dict[str, Any] = {
        "engine": form.engine,
        "decode_threads": ours.decode_threads or cores,
    }
    if form.graph is None:
        changed["engine_threads"] = ours.engine_threads or cores
    else:
        changed |= {"engine_instances": 1, "max_batch_size": form.max_batch_size}
    return ours.model_copy(update=changed)
