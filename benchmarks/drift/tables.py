"""Five tables on which the score of ECOD is held against pyod's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tables() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Calibrations [n, d] and pictures [m, d] by the name of the table, always the same."""
    rng = np.random.default_rng(20)
    heavy = np.round(rng.standard_cauchy((200, 12)), 9)
    ties = rng.integers(0, 4, (150, 8)).astype(np.float64)
    constants = np.round(rng.normal(size=(80, 6)), 9)
    constants[:, 1], constants[:, 4] = 0.1, 1e6
    mirrored = np.array([[-1.0, 3, 0], [1, 1, 0], [0, 2, 7], [0, 2, -7]])
    normal = np.round(rng.normal(5, 2, (400, 12)), 9)
    return {
        "normal": (normal, np.round(rng.normal(5, 4, (24, 12)), 9)),
        "heavy": (heavy, np.round(rng.standard_cauchy((24, 12)), 9)),
        "ties": (ties, rng.integers(-1, 5, (24, 8)).astype(np.float64)),
        "constants": (constants, np.vstack([constants[:10], constants[:10] + 0.5])),
        "tiny": (mirrored, np.vstack([mirrored, [[0, 2, 0], [5, -1, 1e-9], [1e9, 2, 0]]])),
    }
