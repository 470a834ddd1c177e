"""What a tuning found, made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.commands.tune.candidates import Candidate
from takt.commands.tune.measure import Round
from takt.commands.tune.results import MeasuredCandidate

MakeMeasured = Callable[..., MeasuredCandidate]


@pytest.fixture
def make_measured() -> MakeMeasured:
    def make(
        engine: str = "onnxruntime",
        *rates: float,
        latencies_ms: tuple[float, ...] = (10.0,),
        instances: int = 1,
        threads: int = 2,
    ) -> MeasuredCandidate:
        return MeasuredCandidate(
            Candidate(engine, instances, threads, 1),
            f"{engine} on a test",
            tuple(Round(rate, latencies_ms) for rate in rates),
        )

    return make
