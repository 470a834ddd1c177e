"""ONNX Runtime as an engine: on the CPU, or an NVIDIA GPU through CUDA or TensorRT."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import INPUT, OUTPUTS
from service.engines.base import EngineOutput
from service.errors import BundleError, ConfigurationError, EngineError
from service.variant import Provider

PROVIDERS: dict[Provider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ),
}
"""ONNX Runtime's providers for each choice, in order; the later ones take what is left over."""

INSTALL: dict[Provider, str] = {
    "cpu": "pip install onnxruntime",
    "cuda": "pip install onnxruntime-gpu, and the CUDA and cuDNN that it wants",
    "tensorrt": "pip install onnxruntime-gpu, and the CUDA, cuDNN and TensorRT 10 that it wants",
}


class OnnxRuntimeEngine:
    """One session of a graph; see `open`."""

    def __init__(
        self, session: Any, description: str, *, shareable: bool = False, shrinking: Any = None
    ) -> None:
        self._session = session
        self._shrinking = shrinking
        self.description = description
        self.shareable = shareable

    @classmethod
    def open(
        cls, model: Path, *, provider: Provider = "cpu", threads: int = 0, device_id: int = 0
    ) -> OnnxRuntimeEngine:
        """Load a graph.

        Args:
            model: an ONNX file with the bundle's input and outputs.
            provider: what should run it.
            threads: on the CPU; 0 takes every core.
            device_id: the GPU.

        Raises:
            ConfigurationError: this host lacks the provider. ONNX Runtime lists providers whose
                libraries it cannot load and then takes the CPU in silence, so the loaded
                session is asked.
            BundleError: the file is no such graph.
        """
        runtime = _import_runtime(provider)
        wanted = PROVIDERS[provider]
        if wanted[0] not in runtime.get_available_providers():
            raise ConfigurationError(
                f"this ONNX Runtime has no {wanted[0]}; {INSTALL[provider]}, "
                "or choose another provider"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin between batches would take the cores from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            session = runtime.InferenceSession(
                str(model), options, providers=_with_options(wanted, device_id)
            )
        except Exception as error:
            raise BundleError(f"{model} cannot be loaded: {_first_line(error)}") from error
        running = session.get_providers()
        if running[0] != wanted[0]:
            raise ConfigurationError(
                f"{wanted[0]} could not be loaded on this host (ONNX Runtime fell back to "
                f"{running[0]}); {INSTALL[provider]}, or choose another provider"
            )
        _check_signature(session, model)
        where = f"{threads or 'all'} threads" if provider == "cpu" else f"device {device_id}"
        # With one thread a run stays on its caller's; with more, callers would share the others.
        shareable = provider == "cpu" and threads == 1
        shrinking = None
        if provider == "cpu":
            shrinking = runtime.RunOptions()
            shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        description = f"onnxruntime {running[0]}, {where}"
        return cls(session, description, shareable=shareable, shrinking=shrinking)

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        """Run a batch, images uint8 [N,H,W,3] RGB."""
        try:
            anomaly_map, score = self._session.run(OUTPUTS, {INPUT: images})
        except Exception as error:
            raise EngineError("the engine failed on a batch; the service's log says why") from error
        return EngineOutput(anomaly_map, score)

    def trim(self) -> None:
        """Run one blank picture, and let ONNX Runtime shrink its arena on the CPU afterwards."""
        if self._shrinking is None:
            return
        (port,) = self._session.get_inputs()
        height, width, channels = port.shape[1:]
        blank = np.zeros((1, height, width, channels), np.uint8)
        self._session.run(OUTPUTS, {INPUT: blank}, self._shrinking)

    def close(self) -> None:
        """Drop the session, which frees its memory and threads."""
        self._session = None


def _import_runtime(provider: Provider) -> ModuleType:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigurationError(f"ONNX Runtime is not installed: {INSTALL[provider]}") from None
    module: ModuleType = onnxruntime
    return module


def _with_options(providers: tuple[str, ...], device_id: int) -> list[Any]:
    """Each provider with its options; the GPU's multiply in full float32, as training did."""
    options: dict[str, dict[str, str]] = {
        "TensorrtExecutionProvider": {"device_id": str(device_id)},
        "CUDAExecutionProvider": {"device_id": str(device_id), "use_tf32": "0"},
        "CPUExecutionProvider": {},
    }
    return [(name, options[name]) for name in providers]


def _check_signature(session: Any, model: Path) -> None:
    inputs = [(port.name, port.type) for port in session.get_inputs()]
    outputs = {port.name: port.type for port in session.get_outputs()}
    if inputs != [(INPUT, "tensor(uint8)")] or any(
        outputs.get(name) != "tensor(float)" for name in OUTPUTS
    ):
        raise BundleError(
            f"{model} takes {inputs} and gives {outputs}; a bundle's graph takes {INPUT!r} as "
            f"uint8 [N,H,W,3] and gives {OUTPUTS} as float32"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
