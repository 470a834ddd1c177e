import ctypes
from typing import Any

import numpy as np
import pytest

from takt.core.engines.nvidia import cudart
from takt.core.engines.nvidia.cudart import CudaRuntime
from takt.core.errors import ConfigurationError, EngineError


class Library:
    """Stands in for `libcudart`: memory of the GPU is memory of the host."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.memory: dict[int, Any] = {}

    def cudaGetErrorString(self, status: ctypes.c_int) -> bytes:
        return f"error {status.value}".encode()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if self.status == 0:
                getattr(self, f"do_{name}", lambda *_: None)(*arguments)
            return self.status

        if name.startswith("do_"):
            raise AttributeError(name)
        return call

    def do_cudaStreamCreateWithFlags(self, stream: Any, flags: ctypes.c_uint) -> None:
        assert flags.value == 1
        stream._obj.value = 4096

    def do_cudaHostAlloc(self, address: Any, size: ctypes.c_size_t, flags: Any) -> None:
        memory = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(memory)
        self.memory[ctypes.addressof(memory)] = memory

    def do_cudaFreeHost(self, address: ctypes.c_void_p) -> None:
        assert address.value is not None
        del self.memory[address.value]

    def do_cudaMemcpyAsync(self, to: Any, source: Any, size: Any, kind: Any, stream: Any) -> None:
        assert stream.value == 4096
        ctypes.memmove(to.value, source.value, size.value)

    def do_cudaDeviceGetPCIBusId(self, text: Any, size: Any, device: Any) -> None:
        text.value = f"0000:0{device.value}:00.0".encode()


@pytest.fixture
def library() -> Library:
    return Library()


def test_page_locked_memory_carries_a_batch_in_and_out_and_is_given_back(library: Library) -> None:
    cuda = CudaRuntime(library, 1)
    cuda.use()
    stream = cuda.create_stream()
    host = cuda.page_locked((2, 3), np.float32)
    host[:] = [[1, 2, 3], [4, 5, 6]]
    device = np.zeros((2, 3), np.float32)
    cuda.copy_in(device.ctypes.data, host[:1], stream)
    assert device.tolist() == [[1, 2, 3], [0, 0, 0]]
    device[:] = 7
    cuda.copy_out(host[1:], device.ctypes.data, stream)
    cuda.synchronize(stream)
    assert host.tolist() == [[1, 2, 3], [7, 7, 7]]
    cuda.free(host)
    cuda.destroy_stream(stream)
    assert not library.memory
    assert library.calls[0] == "cudaSetDevice"
    assert library.calls[-1] == "cudaStreamDestroy"


def test_a_gpu_is_named_by_where_it_is_plugged_in(library: Library) -> None:
    assert CudaRuntime(library, 3).bus_id() == "0000:03:00.0"


def test_a_failing_call_says_which_and_why(library: Library) -> None:
    library.status = 2
    with pytest.raises(EngineError, match="CUDA failed in cudaHostAlloc: error 2"):
        CudaRuntime(library, 0).page_locked((1,), np.uint8)


def test_a_host_without_cuda_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(library: object) -> None:
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(cudart, "load_library", missing)
    with pytest.raises(ConfigurationError, match=r"cannot be loaded: libcudart\.so\.13"):
        CudaRuntime.open(13)
