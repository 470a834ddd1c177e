"""A runtime's exceptions as errors of ours."""

from __future__ import annotations

import re

from takt.core.batching.work import NO_MEMORY
from takt.core.errors import EngineError, EngineMemoryError, TaktError

_MEMORY = re.compile(
    r"bad[_ ]alloc|out of memory|failed to allocate|allocation failed|alloc_failed"
    r"|memory allocation|cannot allocate memory|not enough memory",
    re.IGNORECASE,
)
"""What ONNX Runtime, CUDA, cuDNN, cuBLAS, TensorRT, OpenVINO and C++ call a lack of memory."""


def failure_of(error: Exception) -> TaktError:
    """The error that a caller may see for what a runtime raised on a batch.

    >>> type(failure_of(RuntimeError("Failed to allocate memory for requested buffer"))).__name__
    'EngineMemoryError'
    >>> str(failure_of(RuntimeError("a path, a secret")))
    "the engine failed on a batch; the service's log says why"
    """
    if isinstance(error, MemoryError) or _MEMORY.search(str(error)):
        return EngineMemoryError(NO_MEMORY)
    return EngineError("the engine failed on a batch; the service's log says why")
