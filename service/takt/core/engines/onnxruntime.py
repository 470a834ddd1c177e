"""ONNX Runtime as an engine: on the CPU, or an NVIDIA GPU through CUDA or TensorRT."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.bundles.variant import Provider
from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput, check_signature
from takt.core.engines.failures import failure_of
from takt.core.engines.nvidia.cuda import UINT8, GpuRunner, fixed_sizes
from takt.core.engines.nvidia.cudart import CudaRuntime
from takt.core.engines.options import EngineOptions, EnginePlan
from takt.core.engines.provider_check import (
    check_provider,
    cuda_major,
    first_line,
    import_runtime,
)
from takt.core.engines.provider_options import PROVIDERS, GpuOptions, provider_options
from takt.core.errors import BundleError, ConfigurationError, EngineError, TaktError

logger = logging.getLogger("takt.engines.onnxruntime")


class OnnxRuntimeEngine:
    """One session of a graph; made by `open`.

    >>> from takt.core.bundles.bundle import load_bundle
    >>> bundle = load_bundle(Path("examples/models/pitting/1"))
    >>> engine = OnnxRuntimeEngine.open(bundle.model_path, threads=1)
    >>> engine.description
    'onnxruntime CPUExecutionProvider, 1 threads'
    >>> engine.infer(bundle.golden.images[:2]).score.shape
    (2,)
    >>> engine.close()
    """

    def __init__(
        self, runner: _CpuRunner | GpuRunner, description: str, *, shareable: bool = False
    ) -> None:
        self._runner = runner
        self.description = description
        self.shareable = shareable

    @classmethod
    def open(
        cls,
        model: Path,
        *,
        provider: Provider = "cpu",
        threads: int = 0,
        device_id: int = 0,
        gpu: GpuOptions | None = None,
    ) -> OnnxRuntimeEngine:
        """Loads a graph.

        Args:
            model: an ONNX file with the bundle's input and outputs.
            provider: of ONNX Runtime.
            threads: on the CPU; 0 takes every core.
            device_id: the GPU.
            gpu: how the GPU is used; the defaults if None.

        Raises:
            ConfigurationError: this host lacks the provider. ONNX Runtime lists providers whose
                libraries it cannot load and then silently takes the CPU, so the loaded session is
                asked.
            BundleError: the file is no such graph.
        """
        runtime = import_runtime(provider)
        check_provider(runtime, provider, device_id)
        if provider == "cpu":
            return cls._open_on_cpu(runtime, model, threads)
        return cls._open_on_gpu(runtime, model, provider, device_id, gpu or GpuOptions())

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch, images [N,H,W,3] RGB."""
        try:
            return self._runner.run(images)
        except Exception as error:
            raise failure_of(error) from error

    def trim(self) -> None:
        """Gives back memory of earlier batches; on a GPU every batch needs the same memory."""
        self._runner.trim()

    def close(self) -> None:
        """Drops the session, which frees its memory and threads."""
        self._runner.close()

    @classmethod
    def _open_on_cpu(cls, runtime: ModuleType, model: Path, threads: int) -> OnnxRuntimeEngine:
        session = _open_session(runtime, model, "cpu", provider_options("cpu"), threads)
        description = f"onnxruntime {PROVIDERS['cpu'][0]}, {threads or 'all'} threads"
        # With one thread a run stays on its caller's; with more, callers would share the others.
        return cls(_CpuRunner(runtime, session), description, shareable=threads == 1)

    @classmethod
    def _open_on_gpu(
        cls, runtime: ModuleType, model: Path, provider: Provider, device_id: int, asked: GpuOptions
    ) -> OnnxRuntimeEngine:
        cuda = CudaRuntime.open(cuda_major(runtime), device_id)
        gpu = asked
        if provider == "tensorrt":
            gpu = replace(
                asked,
                engine_cache=asked.engine_cache and _cache_of(runtime, model, asked.engine_cache),
                cuda_graphs=asked.cuda_graphs and len(asked.batch_sizes) == 1,
            )

        def open_session(stream: int) -> Any:
            options = provider_options(provider, device_id=device_id, stream=stream, gpu=gpu)
            return _open_session(runtime, model, provider, options, threads=1)

        try:
            runner = GpuRunner(
                runtime,
                cuda,
                open_session,
                sizes=gpu.batch_sizes,
                graphs=gpu.cuda_graphs,
                device_id=device_id,
            )
        except Exception as error:
            ours = isinstance(error, TaktError)
            reason = str(error) if ours else first_line(error)
            if not gpu.cuda_graphs and ours:
                raise
            if not gpu.cuda_graphs:
                raise EngineError(f"{model} cannot be run on {provider}: {reason}") from error
            logger.warning("%s runs without CUDA graphs: %s", model, reason)
            runner = None
        if runner is None:  # only now is the GPU's memory free, which the error's frames held
            plain = replace(asked, cuda_graphs=False)
            return cls._open_on_gpu(runtime, model, provider, device_id, plain)
        sizes = ", ".join(str(size) for size in gpu.batch_sizes)
        graphs = ", CUDA graphs" if gpu.cuda_graphs else ""
        description = (
            f"onnxruntime {PROVIDERS[provider][0]}, device {device_id}, batches of {sizes}{graphs}"
        )
        return cls(runner, description)


class _CpuRunner:
    """Runs batches on the CPU."""

    def __init__(self, runtime: ModuleType, session: Any) -> None:
        self._session = session
        self._shrinking = runtime.RunOptions()
        self._shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, images: Batch) -> EngineOutput:
        """Runs a batch."""
        anomaly_map, score = self._session.run(OUTPUTS, {INPUT: images})
        return EngineOutput(anomaly_map, score)

    def trim(self) -> None:
        """Runs one blank picture, after which ONNX Runtime shrinks its arena on the CPU."""
        (port,) = self._session.get_inputs()
        kind = np.uint8 if port.type == UINT8 else np.float32
        blank = np.zeros((1, *port.shape[1:]), kind)
        self._session.run(OUTPUTS, {INPUT: blank}, self._shrinking)

    def close(self) -> None:
        """Drops the session."""
        self._session = None


def _open_session(
    runtime: ModuleType, model: Path, provider: Provider, providers: list[Any], threads: int
) -> Any:
    """Opens a session on a provider; fails if the session runs on another one."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin between batches would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # By default it would silently take another provider, now or after a failed run.
        session = runtime.InferenceSession(
            str(model), options, providers=providers, enable_fallback=0
        )
    except Exception as error:
        raise BundleError(f"{model} cannot be loaded: {first_line(error)}") from error
    wanted, running = PROVIDERS[provider][0], session.get_providers()[0]
    if running != wanted:
        raise ConfigurationError(
            f"{wanted} cannot be had for {model}: ONNX Runtime fell back to {running}; choose "
            "another engine"
        )
    inputs, outputs = (
        [(port.name, port.type) for port in ports]
        for ports in (session.get_inputs(), session.get_outputs())
    )
    check_signature(model, inputs, outputs, uint8=UINT8, float32="tensor(float)")
    return session


def _cache_of(runtime: ModuleType, model: Path, folder: Path) -> Path:
    """Makes a folder for the engines of this file alone: TensorRT ignores the weights in its names.

    Raises:
        ConfigurationError: the folder cannot be made.
    """
    try:
        with model.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{model} cannot be read: {error.strerror}") from None
    own = folder / f"{digest[:16]}-onnxruntime-{runtime.__version__}"
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the engine cache {own} cannot be made: {error.strerror}; set engine_cache to a "
            "folder that may be written to"
        ) from None
    return own


def open_onnxruntime(plan: EnginePlan, options: EngineOptions) -> OnnxRuntimeEngine:
    """Opens an engine of ONNX Runtime by a plan."""
    return OnnxRuntimeEngine.open(
        plan.model,
        provider=plan.provider,
        threads=plan.threads,
        device_id=options.device_id,
        gpu=GpuOptions(
            precision=plan.precision,
            batch_sizes=fixed_sizes(plan.max_batch_size, options.preferred_batch_sizes),
            cuda_graphs=options.cuda_graphs,
            engine_cache=options.engine_cache,
        ),
    )
