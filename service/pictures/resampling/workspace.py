"""Memory that a thread keeps from one picture to the next.

Asking the system for it again, page by page, can cost more than the computing in it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_MOST_KEPT_BYTES = 8 << 20
"""Most bytes that are kept for each use; larger arrays are given back."""


class Workspace(threading.local):
    """Arrays by their use, separate for each thread.

    >>> workspace = Workspace()
    >>> workspace.array("sums", (2, 3), np.float32).shape
    (2, 3)
    """

    def __init__(self) -> None:
        self._blocks: dict[str, NDArray[np.uint8]] = {}

    def array(self, use: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of any values, which the thread's next array for the same use overwrites."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        block = self._blocks.get(use)
        if block is None or block.nbytes < size:
            block = np.empty(size, np.uint8)
            if size <= _MOST_KEPT_BYTES:
                self._blocks[use] = block
        return block[:size].view(dtype).reshape(shape)
