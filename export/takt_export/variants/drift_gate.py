"""The drift gate: how far a variant's answers lie from the trained model's, and what is too far.

The reference graph stands for the trained model: it was compared with that when the bundle was
made, and differs by rounding alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.variant import GoldenBounds, Precision, VariantDrift
from takt.core.bundles.witnesses import anomalous
from takt.core.domain import AnomalyMap
from takt.core.engines.base import Engine
from takt.core.engines.golden import measure_golden
from takt.core.errors import DriftError
from takt.core.pictures.postprocess import picture_score
from takt_export.calibration.pictures_to_use import sample_evenly
from takt_export.pictures import look_at

GATE_PICTURES = 64
"""Most good and most defective pictures that the gate compares."""

MARGIN = 2.0
"""Factor on the differences of golden answers: another processor of the kind rounds otherwise."""

LEAST_BOUND_SPANS = 0.01
"""Differences of golden answers below this, in spans, are of no consequence."""


@dataclass(frozen=True)
class AllowedDrift:
    """The most that a variant may differ by, in the spans of `VariantDrift`.

    >>> AllowedDrift(0.02, 0.02, 0.02, 0.001).widened(2)
    AllowedDrift(score_spans=0.04, map_spans=0.04, turned_share=0.04, auroc=0.002)

    Attributes:
        score_spans: mean difference of scores, in spans of scores.
        map_spans: mean difference of maps, in spans of maps.
        turned_share: share of pictures whose verdict changes.
        auroc: fall of the image AUROC, if there are defective pictures.
    """

    score_spans: float
    map_spans: float
    turned_share: float
    auroc: float

    def widened(self, factor: float) -> AllowedDrift:
        """All bounds times a factor."""
        return AllowedDrift(*(factor * value for value in astuple(self)))


ALLOWED: dict[Precision, AllowedDrift] = {
    "fp32": AllowedDrift(score_spans=0.001, map_spans=0.001, turned_share=0.0, auroc=0.0005),
    "fp16": AllowedDrift(score_spans=0.02, map_spans=0.02, turned_share=0.02, auroc=0.001),
    "bf16": AllowedDrift(score_spans=0.05, map_spans=0.05, turned_share=0.05, auroc=0.001),
    "int8": AllowedDrift(score_spans=0.15, map_spans=0.15, turned_share=0.05, auroc=0.005),
}
"""The usual bounds. Even a small drift moves a score across the threshold if it lies beside it, so
that a share of the verdicts may change."""


@dataclass(frozen=True)
class Answers:
    """An engine's answers to n pictures.

    Attributes:
        score: float64 [n].
        maps: n maps, float32 [h,w].
        defective: which pictures show a defect, bool [n].
    """

    score: NDArray[np.float64]
    maps: tuple[AnomalyMap, ...]
    defective: NDArray[np.bool_]


def answers_of(
    engine: Engine,
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    *,
    quiet: bool = False,
) -> Answers:
    """Run at most `GATE_PICTURES` of each kind, as the service would.

    Raises:
        EngineError: the engine failed.
        PicturesError: a picture cannot be read.
    """
    chosen = [*sample_evenly(good, (), GATE_PICTURES), *sample_evenly(defects, (), GATE_PICTURES)]
    few = min(len(good), GATE_PICTURES)
    scores, maps = [], []
    for path in tqdm(chosen, desc=engine.description, unit="picture", disable=quiet or None):
        looked = look_at(engine, path, bundle.manifest)
        answer = looked.answer
        score_from = bundle.manifest.score_from
        scores.append(
            picture_score(answer.score, answer.anomaly_map, score_from, looked.width, looked.height)
        )
        maps.append(answer.anomaly_map)
    return Answers(np.array(scores, np.float64), tuple(maps), np.arange(len(chosen)) >= few)


def drift_between(found: Answers, reference: Answers, bundle: Bundle) -> VariantDrift:
    """Compare a variant's answers with the reference's on the same pictures.

    Raises:
        DriftError: an answer is not finite.
    """
    if not (np.isfinite(found.score).all() and all(np.isfinite(one).all() for one in found.maps)):
        raise DriftError("the variant's answers are not finite")
    apart = np.abs(found.score - reference.score)
    differences = [ours - theirs for ours, theirs in zip(found.maps, reference.maps, strict=True)]
    cells = sum(one.size for one in differences)
    squared = sum(float(np.square(one, dtype=np.float64).sum()) for one in differences)
    aurocs: list[float | None] = [None, None]
    if found.defective.any() and not found.defective.all():
        aurocs = [float(roc_auc_score(found.defective, one.score)) for one in (found, reference)]
    return VariantDrift(
        pictures=len(apart),
        score=float(apart.max()),
        score_spans=float(apart.mean()) / score_span(bundle),
        anomaly_map=max(float(np.abs(one).max()) for one in differences),
        map_spans=float(np.sqrt(squared / cells)) / _map_span(reference.maps),
        turned=int((_verdicts(found, bundle) != _verdicts(reference, bundle)).sum()),
        image_auroc=aurocs[0],
        reference_auroc=aurocs[1],
    )


def excess(drift: VariantDrift, allowed: AllowedDrift) -> tuple[str, ...]:
    """The parts of a drift beyond the bounds, in words; empty if it is within all."""
    found = []
    for value, most, what in (
        (drift.score_spans, allowed.score_spans, "scores differ by {:.3g} of their span"),
        (drift.map_spans, allowed.map_spans, "maps differ by {:.3g} of their span"),
    ):
        if not value <= most:
            found.append(f"{what.format(value)}, and {most:g} is allowed")
    # One picture may turn, however few there are.
    if drift.turned > max(1.0, allowed.turned_share * drift.pictures):
        found.append(
            f"{drift.turned} of {drift.pictures} verdicts are others, and "
            f"{allowed.turned_share:.1%} is allowed"
        )
    if drift.image_auroc is not None and drift.reference_auroc is not None:
        lost = drift.reference_auroc - drift.image_auroc
        if lost > allowed.auroc:
            found.append(
                f"the image AUROC falls from {drift.reference_auroc:.4f} to "
                f"{drift.image_auroc:.4f}, and {allowed.auroc:g} is allowed"
            )
    return tuple(found)


def check_variant(
    drift: VariantDrift,
    precision: Precision,
    allowed: AllowedDrift | None = None,
    layers: Sequence[str] = (),
    *,
    can_mix: bool = True,
) -> None:
    """Refuse a variant that answers too far from the trained model.

    Args:
        drift: as measured.
        precision: whose bounds hold.
        allowed: other bounds; the precision's if None.
        layers: where the difference begins, as far as that is known.
        can_mix: whether layers can be kept in higher precision that are not so yet.

    Raises:
        DriftError: the drift is beyond the bounds; says in what, and where it begins.
    """
    beyond = excess(drift, allowed or ALLOWED[precision])
    if not beyond:
        return
    where = f"; it begins at {', '.join(layers)}" if layers else ""
    mix = "Keep these layers in higher precision with --auto-mixed, give" if can_mix else "Give"
    raise DriftError(
        f"the {precision} variant answers unlike the trained model: {'; '.join(beyond)}{where}. "
        f"{mix} more and more varied good pictures, or allow more with --allow-drift"
    )


def golden_bounds(engine: Engine, bundle: Bundle, precision: Precision) -> GoldenBounds:
    """The largest differences from the golden answers at which the service loads a variant.

    In float32 these are those of the reference graph, or twice what was found; in less, at least a
    hundredth of a span.

    Raises:
        DriftError: the engine answers arrays of other shapes.
        EngineError: the engine failed.
    """
    measured = measure_golden(engine, bundle)
    score, anomaly_map = (
        max(getattr(batch, name) for batch in measured.batches) for name in ("score", "anomaly_map")
    )
    tolerance = bundle.manifest.tolerance
    spans = 0.0 if precision == "fp32" else LEAST_BOUND_SPANS
    of_map = spans * _map_span((bundle.golden.anomaly_map,))
    return GoldenBounds(
        score=max(MARGIN * score, spans * score_span(bundle), tolerance),
        anomaly_map=max(MARGIN * anomaly_map, of_map, tolerance),
    )


def score_span(bundle: Bundle) -> float:
    """Distance from the median score of good pictures to the threshold, at least the tolerance."""
    median = float(np.median(bundle.calibration.good_score))
    return max(abs(bundle.manifest.thresholds.image - median), bundle.manifest.tolerance)


def _verdicts(answers: Answers, bundle: Bundle) -> NDArray[np.bool_]:
    """Which pictures are anomalous at the bundle's own thresholds, [n]."""
    roi = bundle.manifest.roi
    # As the service has it: the outside of the region of interest never counts.
    peaks = np.array([float(one.max()) for one in answers.maps], np.float64)
    if roi is not None:
        peaks[peaks <= roi.outside] = -np.inf
    return anomalous(bundle.manifest.thresholds, answers.score, peaks)


def _map_span(maps: Sequence[NDArray[np.float32]]) -> float:
    """The standard deviation of all cells of all maps; above 0."""
    count = sum(one.size for one in maps)
    mean = sum(float(one.sum(dtype=np.float64)) for one in maps) / count
    squares = sum(float(np.square(one - mean, dtype=np.float64).sum()) for one in maps)
    return max(float(np.sqrt(squares / count)), 1e-12)
