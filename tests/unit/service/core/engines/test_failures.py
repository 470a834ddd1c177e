from __future__ import annotations

import pytest

from takt.core.engines.failures import failure_of
from takt.core.errors import EngineError, EngineMemoryError


@pytest.mark.parametrize(
    "said",
    [
        "std::bad_alloc",
        "bad allocation",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : /a/bfc_arena.cc:376 void* AllocateRawInternal"
        " Failed to allocate memory for requested buffer of size 1048576",
        "CUDA failed in cudaMemcpyAsync: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDA failure 2: out of memory ; GPU=0",
        "Exception from src/inference: Cannot allocate memory",
    ],
)
def test_what_a_runtime_calls_a_lack_of_memory_is_told_as_one(said: str) -> None:
    error = failure_of(RuntimeError(said))
    assert isinstance(error, EngineMemoryError)
    assert said not in str(error)


def test_pythons_own_lack_of_memory_is_one() -> None:
    assert isinstance(failure_of(MemoryError()), EngineMemoryError)


def test_any_other_failure_is_the_engines_and_tells_nothing_of_it() -> None:
    error = failure_of(RuntimeError("/home/somebody/model.onnx: a secret"))
    assert isinstance(error, EngineError)
    assert "secret" not in str(error)
