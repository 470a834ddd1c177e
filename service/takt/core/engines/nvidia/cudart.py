"""Calls of CUDA's runtime that ONNX Runtime's Python interface lacks.

They are page-locked memory and copies that do not wait. With ordinary memory the driver first
copies a batch into page-locked memory of its own, and the caller waits for that.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from takt.core.engines.nvidia.libraries import cuda_libraries, load_library
from takt.core.errors import ConfigurationError, EngineError

_NON_BLOCKING = 1
_HOST_TO_DEVICE = 1
_DEVICE_TO_HOST = 2
_BUS_ID_BYTES = 32


class CudaRuntime:
    """One GPU, through `libcudart`; made by `open`.

    Args:
        library: loaded by `ctypes`.
        device_id: the GPU.
    """

    def __init__(self, library: Any, device_id: int) -> None:
        self._library = library
        self._device_id = device_id

    @classmethod
    def open(cls, cuda_major: int, device_id: int = 0) -> CudaRuntime:
        """Loads the library that ONNX Runtime uses too.

        Args:
            cuda_major: major version of the CUDA that ONNX Runtime was built with.
            device_id: the GPU.

        Raises:
            ConfigurationError: the library cannot be loaded.
        """
        try:
            library = load_library(cuda_libraries(cuda_major)[0])
        except OSError as error:
            raise ConfigurationError(f"CUDA's runtime cannot be loaded: {error}") from None
        library.cudaGetErrorString.restype = ctypes.c_char_p
        return cls(library, device_id)

    def use(self) -> None:
        """Selects the GPU for the calling thread, which each thread needs once.

        Raises:
            EngineError: there is no such GPU.
        """
        self._call("cudaSetDevice", ctypes.c_int(self._device_id))

    def bus_id(self) -> str:
        """Bus id of the GPU, which identifies it in any order of counting.

        Raises:
            EngineError: there is no such GPU.
        """
        text = ctypes.create_string_buffer(_BUS_ID_BYTES)
        self._call(
            "cudaDeviceGetPCIBusId",
            text,
            ctypes.c_int(_BUS_ID_BYTES),
            ctypes.c_int(self._device_id),
        )
        return text.value.decode("ascii")

    def create_stream(self) -> int:
        """Creates a stream; `destroy_stream` gives it back.

        Raises:
            EngineError: CUDA failed.
        """
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreateWithFlags", ctypes.byref(stream), ctypes.c_uint(_NON_BLOCKING))
        return stream.value or 0

    def destroy_stream(self, stream: int) -> None:
        """Gives a stream back.

        Raises:
            EngineError: CUDA failed, now or in work on the stream.
        """
        self._call("cudaStreamDestroy", ctypes.c_void_p(stream))

    def synchronize(self, stream: int) -> None:
        """Waits until all work on a stream is done.

        Raises:
            EngineError: CUDA failed, now or in work on the stream.
        """
        self._call("cudaStreamSynchronize", ctypes.c_void_p(stream))

    def page_locked(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Allocates an array in page-locked memory; `free` gives it back.

        Raises:
            EngineError: CUDA failed.
        """
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        address = ctypes.c_void_p()
        self._call("cudaHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(0))
        assert address.value is not None
        memory = (ctypes.c_uint8 * size).from_address(address.value)
        return np.frombuffer(memoryview(memory), kind).reshape(shape)

    def free(self, array: NDArray[Any]) -> None:
        """Gives page-locked memory back; the array must not be used afterwards.

        Raises:
            EngineError: CUDA failed.
        """
        self._call("cudaFreeHost", ctypes.c_void_p(array.ctypes.data))

    def copy_in(self, device: int, array: NDArray[Any], stream: int) -> None:
        """Queues a copy from page-locked memory to the GPU.

        Args:
            device: address on the GPU.
            array: contiguous.
            stream: from `create_stream`.

        Raises:
            EngineError: CUDA failed.
        """
        self._copy(device, array.ctypes.data, array.nbytes, _HOST_TO_DEVICE, stream)

    def copy_out(self, array: NDArray[Any], device: int, stream: int) -> None:
        """Queues a copy from the GPU to page-locked memory; see `copy_in`.

        Raises:
            EngineError: CUDA failed.
        """
        self._copy(array.ctypes.data, device, array.nbytes, _DEVICE_TO_HOST, stream)

    def _copy(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        self._call(
            "cudaMemcpyAsync",
            ctypes.c_void_p(to),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size),
            ctypes.c_int(kind),
            ctypes.c_void_p(stream),
        )

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            reason = self._library.cudaGetErrorString(ctypes.c_int(status)).decode("ascii")
            raise EngineError(f"CUDA failed in {function}: {reason}")
