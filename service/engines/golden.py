"""The golden check: does an engine answer like the trained model did, and by how much not.

What measures is apart from what judges: `takt verify` shows what loading decides on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.bundles.bundle import Bundle, Golden
from service.bundles.variant import GoldenBounds, Variant
from service.engines.base import Engine, EngineOutput
from service.errors import DriftError


@dataclass(frozen=True, slots=True)
class BatchDrift:
    """The largest absolute differences from the golden answers, in batches of one size.

    Attributes:
        batch_size: golden inputs in a batch; the last may have fewer.
        score: NaN if an answer is.
        anomaly_map: likewise.
    """

    batch_size: int
    score: float
    anomaly_map: float

    def within(self, tolerance: float | GoldenBounds) -> bool:
        """Whether neither is larger than the tolerance; a NaN is not within any."""
        bounds = bounds_of(tolerance)
        return self.score <= bounds.score and self.anomaly_map <= bounds.anomaly_map


@dataclass(frozen=True, slots=True)
class GoldenDrift:
    """What batching does to an engine's answers.

    Attributes:
        alone: each golden input as a batch of its own.
        together: as many in a batch as the model takes; None where that is one, or where there
            is one golden input.
    """

    alone: BatchDrift
    together: BatchDrift | None

    @property
    def batches(self) -> tuple[BatchDrift, ...]:
        """What was measured."""
        return (self.alone,) if self.together is None else (self.alone, self.together)

    def within(self, tolerance: float | GoldenBounds) -> bool:
        """Whether all of it is."""
        return all(batch.within(tolerance) for batch in self.batches)


def measure_golden(engine: Engine, bundle: Bundle) -> GoldenDrift:
    """Run the golden inputs alone and together.

    Raises:
        DriftError: the engine answers arrays of other shapes.
        EngineError: the engine failed.
    """
    largest = _largest_batch(bundle)
    return GoldenDrift(
        alone=_measure(engine, bundle, 1),
        together=_measure(engine, bundle, largest) if largest > 1 else None,
    )


def check_golden(
    engine: Engine,
    bundle: Bundle,
    variant: Variant | None = None,
    drifting_layers: Callable[[], Sequence[str]] = tuple,
) -> BatchDrift:
    """Run the golden inputs alone and together and refuse an engine that drifts.

    Args:
        engine: runs the reference graph, or the variant.
        bundle: holds the golden inputs.
        variant: whose bounds hold instead of the manifest's tolerance.
        drifting_layers: names the layers where a difference begins; asked for one that is refused.

    Returns:
        By how much it does, within the tolerance, in batches of the size where it does most.

    Raises:
        DriftError: a score or a map value differs by more than is allowed.
        EngineError: the engine failed.
    """
    measured = measure_golden(engine, bundle)
    for drift in measured.batches:
        _refuse_drift(drift, bundle, engine.description, variant, drifting_layers)
    return max(measured.batches, key=lambda drift: max(drift.score, drift.anomaly_map))


def check_answers(
    found: EngineOutput, bundle: Bundle, description: str, variant: Variant | None = None
) -> BatchDrift:
    """Refuse the answers to all golden inputs that drift; whatever batches they were run in.

    Args:
        found: the answers.
        bundle: holds the golden inputs.
        description: of the engine, for people.
        variant: whose bounds hold instead of the manifest's tolerance.

    Raises:
        DriftError: a score or a map value differs by more than is allowed.
    """
    golden = bundle.golden
    _check_shapes(found, golden, bundle)
    drift = BatchDrift(
        batch_size=len(golden.images),
        score=_larger(0.0, found.score, golden.score),
        anomaly_map=_larger(0.0, found.anomaly_map, golden.anomaly_map),
    )
    _refuse_drift(drift, bundle, description, variant)
    return drift


def _refuse_drift(
    drift: BatchDrift,
    bundle: Bundle,
    description: str,
    variant: Variant | None,
    drifting_layers: Callable[[], Sequence[str]] = tuple,
) -> None:
    bounds = variant.bounds if variant is not None else bounds_of(bundle.manifest.tolerance)
    if drift.within(bounds):
        return
    layers = drifting_layers()
    where = f"; it begins at {', '.join(layers)}" if layers else ""
    raise DriftError(
        f"{bundle.path} on {description} drifts from the trained model in batches "
        f"of {drift.batch_size}: score by {drift.score:.2g}, of which {bounds.score:.2g} "
        f"is allowed, map by {drift.anomaly_map:.2g}, of {bounds.anomaly_map:.2g}{where}; "
        "choose another engine, or export the bundle again"
    )


def bounds_of(tolerance: float | GoldenBounds) -> GoldenBounds:
    """One tolerance, of both the score and the map, as bounds."""
    if isinstance(tolerance, GoldenBounds):
        return tolerance
    return GoldenBounds(score=tolerance, anomaly_map=tolerance)


def _largest_batch(bundle: Bundle) -> int:
    count = len(bundle.golden.images)
    return min(count, bundle.manifest.max_batch_size or count)


def _measure(engine: Engine, bundle: Bundle, batch_size: int) -> BatchDrift:
    score, anomaly_map = 0.0, 0.0
    for first in range(0, len(bundle.golden.images), batch_size):
        expected = _part(bundle.golden, slice(first, first + batch_size))
        found = engine.infer(expected.images)
        _check_shapes(found, expected, bundle)
        score = _larger(score, found.score, expected.score)
        anomaly_map = _larger(anomaly_map, found.anomaly_map, expected.anomaly_map)
    return BatchDrift(batch_size, score, anomaly_map)


def _part(golden: Golden, inputs: slice) -> Golden:
    return Golden(golden.images[inputs], golden.anomaly_map[inputs], golden.score[inputs])


def _larger(so_far: float, found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest difference, if it is larger than that so far; NaN if either is."""
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return float(np.maximum(np.abs(found - expected).max(), so_far))


def _check_shapes(found: EngineOutput, expected: Golden, bundle: Bundle) -> None:
    shapes = (found.anomaly_map.shape, found.score.shape)
    due = (expected.anomaly_map.shape, expected.score.shape)
    if shapes != due:
        raise DriftError(
            f"{bundle.path} answers arrays of shapes {shapes} where {due} are due; "
            "export the bundle again"
        )
