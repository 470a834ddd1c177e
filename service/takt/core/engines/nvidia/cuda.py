"""Runs a session on an NVIDIA GPU, with memory of its own that each batch uses again.

Pictures go from page-locked memory to the GPU, and outputs back, on the session's own stream:
copies, kernels and the wait at the end are one chain, and several sessions overlap their chains.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput
from takt.core.engines.nvidia.cudart import CudaRuntime

UINT8 = "tensor(uint8)"
"""ONNX Runtime's name of the type."""

_OPENING = threading.Lock()
"""While one session captures a CUDA graph, no other may allocate memory of the GPU."""

OpenSession = Callable[[int], Any]
"""Makes a session that runs on a CUDA stream."""


def fixed_sizes(largest: int, preferred: Sequence[int] = ()) -> tuple[int, ...]:
    """The batch sizes that an engine on a GPU runs; other batches are padded to the next size.

    Args:
        largest: most pictures in a batch.
        preferred: sizes that the settings name; powers of two if empty.

    Returns:
        Sizes, ascending; the last is `largest`.
    """
    powers = (1 << exponent for exponent in range(largest.bit_length()))
    return tuple(sorted({size for size in preferred or powers if size < largest} | {largest}))


@dataclass(frozen=True)
class _Port:
    """Memory of one input or output, for the largest batch.

    Attributes:
        name: in the graph.
        host: page-locked array, [largest, ...].
        device: OrtValue of the same shape on the GPU.
    """

    name: str
    host: NDArray[Any]
    device: Any


class GpuRunner:
    """Runs batches on a GPU, in one thread of its own.

    ONNX Runtime keeps a captured CUDA graph for the thread that captured it, and would capture it
    again for each other thread.

    Args:
        runtime: the module `onnxruntime`.
        cuda: the GPU.
        open_session: makes the session.
        sizes: of batches, ascending; see `fixed_sizes`.
        graphs: whether the session captures a CUDA graph for each size.
        device_type: ONNX Runtime's name of the kind of memory.
        device_id: the GPU.

    Attributes:
        session: while it is open; else None.

    Raises:
        Exception: any error of ONNX Runtime or CUDA; all resources are given back first.
    """

    def __init__(
        self,
        runtime: ModuleType,
        cuda: CudaRuntime,
        open_session: OpenSession,
        *,
        sizes: Sequence[int],
        graphs: bool = False,
        device_type: str = "cuda",
        device_id: int = 0,
    ) -> None:
        self._runtime = runtime
        self._cuda = cuda
        self._sizes = tuple(sizes)
        self._graphs = graphs
        self._device = (device_type, device_id)
        self._stream = 0
        self.session: Any = None
        self._ports: tuple[_Port, ...] = ()
        self._bindings: dict[int, Any] = {}
        self._run_options: dict[int, Any] = {}
        self._held = ExitStack()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gpu")
        try:
            self._thread.submit(self._open, open_session).result()
        except BaseException:
            self.close()
            raise

    def run(self, images: Batch) -> EngineOutput:
        """Runs a batch of any size, images [N,H,W,3] RGB.

        Raises:
            Exception: any error of ONNX Runtime or CUDA.
        """
        return self._thread.submit(self._run, images).result()

    def trim(self) -> None:
        """Does nothing: each batch needs all of the memory, and it never grows."""

    def close(self) -> None:
        """Gives back the memory, the stream and the thread."""
        try:
            self._thread.submit(self._held.close).result()
        finally:
            self._thread.shutdown()

    def _open(self, open_session: OpenSession) -> None:
        with _OPENING:
            self._cuda.use()
            self._stream = self._cuda.create_stream()
            self._held.callback(self._cuda.destroy_stream, self._stream)
            self.session = open_session(self._stream)
            self._held.callback(self._drop)
            self._ports = tuple(self._port(name) for name in (INPUT, *OUTPUTS))
            for size in self._sizes:
                self._bindings[size] = self._binding(size)
                self._run_options[size] = self._options(size)
            self._warm_up()

    def _drop(self) -> None:
        self._bindings.clear()
        self._run_options.clear()
        self._ports = ()
        self.session = None

    def _port(self, name: str) -> _Port:
        ports = (*self.session.get_inputs(), *self.session.get_outputs())
        (found,) = (port for port in ports if port.name == name)
        shape = (self._sizes[-1], *found.shape[1:])
        dtype = np.uint8 if found.type == UINT8 else np.float32
        device = self._runtime.OrtValue.ortvalue_from_shape_and_type(
            list(shape), dtype, *self._device
        )
        host = self._cuda.page_locked(shape, dtype)
        self._held.callback(self._cuda.free, host)
        return _Port(name, host, device)

    def _binding(self, size: int) -> Any:
        """Binds the first `size` rows of the GPU's memory to the session's input and outputs."""
        binding = self.session.io_binding()
        for port in self._ports:
            bind = binding.bind_input if port.name == INPUT else binding.bind_output
            shape = [size, *port.host.shape[1:]]
            bind(port.name, *self._device, port.host.dtype.type, shape, port.device.data_ptr())
        return binding

    def _options(self, size: int) -> Any:
        options = self._runtime.RunOptions()
        # The copy of the answers is still to come: one wait for all at its end.
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if self._graphs and len(self._sizes) > 1:
            options.add_run_config_entry("gpu_graph_id", str(size))
        return options

    def _warm_up(self) -> None:
        """Runs every size once, so that kernels are chosen and graphs captured before use.

        The largest and the smallest go first: TensorRT builds an engine for the sizes between.
        """
        self._ports[0].host.fill(0)
        for size in dict.fromkeys((self._sizes[-1], self._sizes[0], *self._sizes)):
            self._run(self._ports[0].host[:size].copy())

    def _run(self, images: Batch) -> EngineOutput:
        largest = self._sizes[-1]
        if len(images) <= largest:
            return self._run_once(images)
        starts = range(0, len(images), largest)
        return EngineOutput.join([self._run_once(images[at : at + largest]) for at in starts])

    def _run_once(self, images: Batch) -> EngineOutput:
        """Runs a batch of at most the largest size; data of earlier batches pads it."""
        count = len(images)
        size = next(size for size in self._sizes if size >= count)
        pictures, *answers = self._ports
        pictures.host[:count] = images
        self._cuda.copy_in(pictures.device.data_ptr(), pictures.host[:count], self._stream)
        self.session.run_with_iobinding(self._bindings[size], self._run_options[size])
        for answer in answers:
            self._cuda.copy_out(answer.host[:count], answer.device.data_ptr(), self._stream)
        self._cuda.synchronize(self._stream)
        anomaly_map, score = (answer.host[:count].copy() for answer in answers)
        return EngineOutput(anomaly_map, score)
