"""The golden check: does an engine answer like the trained model did."""

from __future__ import annotations

import numpy as np

from service.bundle import Bundle
from service.engines.base import Engine, EngineOutput
from service.errors import DriftError


def check_golden(engine: Engine, bundle: Bundle) -> None:
    """Run the bundle's golden inputs and compare with what torch gave.

    Raises:
        DriftError: a score or a map value differs by more than the manifest's tolerance.
        EngineError: the engine failed.
    """
    golden, tolerance = bundle.golden, bundle.manifest.tolerance
    output = engine.infer(golden.images)
    _check_shapes(output, bundle)
    score_drift = float(np.abs(output.score - golden.score).max())
    map_drift = float(np.abs(output.anomaly_map - golden.anomaly_map).max())
    # A NaN is larger than nothing, so the comparison is the other way round.
    if not (score_drift <= tolerance and map_drift <= tolerance):
        raise DriftError(
            f"{bundle.path} on {engine.description} drifts from the trained model: score by "
            f"{score_drift:.2g}, map by {map_drift:.2g}, and {tolerance:.2g} is allowed; "
            "choose another provider, or export the bundle again"
        )


def _check_shapes(output: EngineOutput, bundle: Bundle) -> None:
    golden = bundle.golden
    found = (output.anomaly_map.shape, output.score.shape)
    expected = (golden.anomaly_map.shape, golden.score.shape)
    if found != expected:
        raise DriftError(
            f"{bundle.path} answers arrays of shapes {found} where {expected} are due; "
            "export the bundle again"
        )
