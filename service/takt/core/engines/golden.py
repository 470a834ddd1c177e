"""The golden check: how far an engine's answers differ from the trained model's.

Measuring and judging are apart: `takt verify` shows the measurements that loading judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from takt.core.bundles.bundle import Bundle, Golden
from takt.core.bundles.variant import GoldenBounds, Variant
from takt.core.engines.base import Engine, EngineOutput
from takt.core.errors import DriftError


@dataclass(frozen=True, slots=True)
class BatchDrift:
    """The largest absolute differences from the golden answers, in batches of one size.

    Attributes:
        batch_size: golden inputs in a batch; the last batch may have fewer.
        score: NaN if an answer is NaN.
        anomaly_map: NaN if an answer is NaN.
    """

    batch_size: int
    score: float
    anomaly_map: float

    def within(self, tolerance: float | GoldenBounds) -> bool:
        """Whether both are at most the tolerance; NaN never is."""
        bounds = bounds_of(tolerance)
        return self.score <= bounds.score and self.anomaly_map <= bounds.anomaly_map


@dataclass(frozen=True, slots=True)
class GoldenDrift:
    """The drift of an engine, and what batching adds to it.

    Attributes:
        alone: with each golden input as its own batch.
        together: in batches as large as the model takes; None where that is one input.
    """

    alone: BatchDrift
    together: BatchDrift | None

    @property
    def batches(self) -> tuple[BatchDrift, ...]:
        """The measurements that were made."""
        return (self.alone,) if self.together is None else (self.alone, self.together)

    def within(self, tolerance: float | GoldenBounds) -> bool:
        """Whether every measurement is within the tolerance."""
        return all(batch.within(tolerance) for batch in self.batches)


def measure_golden(engine: Engine, bundle: Bundle) -> GoldenDrift:
    """Runs the golden inputs alone and together.

    Raises:
        DriftError: the engine answers arrays of other shapes.
        EngineError: the engine failed.
    """
    count = len(bundle.golden.images)
    largest = min(count, bundle.manifest.max_batch_size or count)
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
    """Runs the golden inputs alone and together, and refuses an engine that drifts.

    Args:
        engine: runs the reference graph, or the variant.
        bundle: holds the golden inputs.
        variant: its bounds apply instead of the manifest's tolerance.
        drifting_layers: names the layers where a difference begins, for the refusal.

    Returns:
        The drift in batches of the size that drifts most.

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
    """Refuses answers to all golden inputs that drift, whatever batches they were run in.

    Args:
        found: the answers.
        bundle: holds the golden inputs.
        description: of the engine, for people.
        variant: its bounds apply instead of the manifest's tolerance.

    Raises:
        DriftError: a score or a map value differs by more than is allowed.
    """
    drift = _compare(found, bundle.golden, bundle)
    _refuse_drift(drift, bundle, description, variant)
    return drift


def bounds_of(tolerance: float | GoldenBounds) -> GoldenBounds:
    """A tolerance as bounds: one number applies to both the score and the map."""
    if isinstance(tolerance, GoldenBounds):
        return tolerance
    return GoldenBounds(score=tolerance, anomaly_map=tolerance)


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


def _measure(engine: Engine, bundle: Bundle, batch_size: int) -> BatchDrift:
    golden, drifts = bundle.golden, []
    for first in range(0, len(golden.images), batch_size):
        batch = slice(first, first + batch_size)
        expected = Golden(golden.images[batch], golden.anomaly_map[batch], golden.score[batch])
        drifts.append(_compare(engine.infer(expected.images), expected, bundle))
    # numpy's maximum is NaN if any value is.
    return BatchDrift(
        batch_size=batch_size,
        score=float(np.max([drift.score for drift in drifts])),
        anomaly_map=float(np.max([drift.anomaly_map for drift in drifts])),
    )


def _compare(found: EngineOutput, expected: Golden, bundle: Bundle) -> BatchDrift:
    shapes = (found.anomaly_map.shape, found.score.shape)
    due = (expected.anomaly_map.shape, expected.score.shape)
    if shapes != due:
        raise DriftError(
            f"{bundle.path} answers arrays of shapes {shapes} where {due} are due; "
            "export the bundle again"
        )
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return BatchDrift(
            batch_size=len(expected.images),
            score=float(np.abs(found.score - expected.score).max()),
            anomaly_map=float(np.abs(found.anomaly_map - expected.anomaly_map).max()),
        )
