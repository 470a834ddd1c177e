"""What is said of a model on labelled pictures, and how it is computed from single answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from export.evaluation.aupro import PixelFigures
from export.evaluation.data_sets import Sample


@dataclass(frozen=True)
class Judged:
    """A sample's answer without its map.

    Attributes:
        sample: the picture and its label.
        score: of the picture.
        anomalous: the verdict at the deployed threshold.
        total_ms: as the inspector times itself.
        wall_ms: as the caller sees it.
    """

    sample: Sample
    score: float
    anomalous: bool
    total_ms: float
    wall_ms: float


@dataclass(frozen=True)
class Ranking:
    """How well the scores part good from defective pictures, whatever the threshold.

    Attributes:
        auroc: P(a defective picture scores higher than a good one), ties as half.
        average_precision: area under precision over recall, by steps.
        f1_max: the best F1 of any threshold.
        f1_max_threshold: a picture is anomalous there if its score is at least this.
    """

    auroc: float
    average_precision: float
    f1_max: float
    f1_max_threshold: float


@dataclass(frozen=True)
class Confusion:
    """Verdicts at the deployed threshold; positive is anomalous.

    Attributes:
        true_positive: defective pictures called anomalous.
        false_positive: good ones called anomalous.
        true_negative: good ones called normal.
        false_negative: defective ones called normal.
        precision: share of defective pictures among those called anomalous; None if none is.
        recall: share of defective pictures called anomalous; None if there are none.
        false_reject_rate: share of good pictures called anomalous; None if there are none.
    """

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    precision: float | None
    recall: float | None
    false_reject_rate: float | None


@dataclass(frozen=True)
class Figures:
    """A model on all good pictures and some or all of the defective ones.

    Attributes:
        defects: which defects these are: their name, or what they have in common.
        synthetic: whether a program has drawn them; then these figures are an estimate.
        good: number of good pictures.
        defective: number of defective ones.
        masks: number of those that are marked.
        image: None where there are not both kinds.
        pixel: over good pictures and marked ones; None without marks.
        confusion: at the deployed threshold.
    """

    defects: str
    synthetic: bool
    good: int
    defective: int
    masks: int
    image: Ranking | None
    pixel: PixelFigures | None
    confusion: Confusion


@dataclass(frozen=True)
class Latency:
    """Percentiles over the pictures, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


def figures_of(
    defects: str, good: Sequence[Judged], defective: Sequence[Judged], pixel: PixelFigures | None
) -> Figures:
    """Compare answers with their labels.

    Args:
        defects: what to call the defective pictures.
        good: answers for the good pictures.
        defective: for those that show the defects.
        pixel: of the same pictures.
    """
    return Figures(
        defects=defects,
        synthetic=any(one.sample.synthetic for one in defective),
        good=len(good),
        defective=len(defective),
        masks=sum(bool(one.sample.masks) for one in defective),
        image=rank(good, defective) if good and defective else None,
        pixel=pixel,
        confusion=confuse(good, defective),
    )


def rank(good: Sequence[Judged], defective: Sequence[Judged]) -> Ranking:
    """Rank pictures of both kinds, at least one each, by their scores."""
    labels = [0] * len(good) + [1] * len(defective)
    scores = [one.score for one in (*good, *defective)]
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    # The last point has recall 0 and no threshold.
    both = (precision + recall)[:-1]
    f1 = 2 * (precision * recall)[:-1] / np.where(both > 0, both, 1)
    best = int(np.argmax(f1))
    return Ranking(
        auroc=float(roc_auc_score(labels, scores)),
        average_precision=float(average_precision_score(labels, scores)),
        f1_max=float(f1[best]),
        f1_max_threshold=float(thresholds[best]),
    )


def confuse(good: Sequence[Judged], defective: Sequence[Judged]) -> Confusion:
    """Count the verdicts."""
    found = sum(one.anomalous for one in defective)
    rejected = sum(one.anomalous for one in good)
    return Confusion(
        true_positive=found,
        false_positive=rejected,
        true_negative=len(good) - rejected,
        false_negative=len(defective) - found,
        precision=found / (found + rejected) if found + rejected else None,
        recall=found / len(defective) if defective else None,
        false_reject_rate=rejected / len(good) if good else None,
    )


def latency(times_ms: Sequence[float]) -> Latency:
    """Percentiles of at least one time, interpolated between neighbours."""
    p50_ms, p95_ms, p99_ms = np.percentile(times_ms, [50, 95, 99])
    return Latency(float(p50_ms), float(p95_ms), float(p99_ms))
