"""Memory that a thread keeps from one picture to the next.

To ask the system for it anew, page by page, can cost more than what is computed in it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_MOST_KEPT_BYTES = 8 << 20
"""For each use; more is given back."""


class Workspace(threading.local):
    """Arrays by use, for each thread its own."""

    def __init__(self) -> None:
        self._blocks: dict[str, NDArray[np.uint8]] = {}

    def array(self, use: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of anything, which the thread's next one for the same use overwrites."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        block = self._blocks.get(use)
        if block is None or block.nbytes < size:
            block = np.empty(size, np.uint8)
            if size <= _MOST_KEPT_BYTES:
                self._blocks[use] = block
        return block[:size].view(dtype).reshape(shape)
