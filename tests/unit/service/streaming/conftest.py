from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.core.domain import Box, Heatmap, Inspection, Timings, Verdict

MakeInspection = Callable[..., Inspection]


@pytest.fixture
def inspection() -> MakeInspection:
    """An inspection with a score, at a threshold of 0.5."""

    def make(score: float = 0.2, total_ms: float = 5.0, heatmap: bytes | None = None) -> Inspection:
        return Inspection(
            model="parts",
            version="1",
            verdict=Verdict(score > 0.5, score, 0.5, None, ()),
            width=4,
            height=3,
            inspected=Box(0, 0, 4, 3),
            heatmap=None if heatmap is None else Heatmap("map", "png", heatmap),
            timings=Timings(0, 0, 0, 0, 0, 0, total_ms),
        )

    return make
