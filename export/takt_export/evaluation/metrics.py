"""Metrics of a model on labelled pictures, computed from the verdict on each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from takt.core.bundles.findings import Prices
from takt.core.bundles.witnesses import BothThresholds
from takt_export.evaluation.aupro import PixelMetrics
from takt_export.evaluation.data_sets import Sample


@dataclass(frozen=True)
class JudgedPicture:
    """The verdict on a labelled picture, without its anomaly map.

    Attributes:
        sample: the picture and its label.
        score: of the picture.
        peak: the highest value of its map.
        anomalous: the verdict at the deployed thresholds, of score and map.
        total_ms: time that the inspector measured.
        wall_ms: time that the caller measured.
    """

    sample: Sample
    score: float
    peak: float
    anomalous: bool
    total_ms: float
    wall_ms: float


@dataclass(frozen=True)
class ImageMetrics:
    """Separation of good and defective pictures by their scores, without a threshold.

    Attributes:
        auroc: probability that a defective picture scores higher than a good one; a tie
            counts half.
        average_precision: area under precision over recall, by steps.
        f1_max: highest F1 of all thresholds.
        f1_max_threshold: lowest score that counts as anomalous at this F1.
    """

    auroc: float
    average_precision: float
    f1_max: float
    f1_max_threshold: float


@dataclass(frozen=True)
class Confusion:
    """Verdicts at the deployed thresholds; anomalous is positive.

    Attributes:
        true_positive: defective pictures called anomalous.
        false_positive: good pictures called anomalous.
        true_negative: good pictures called normal.
        false_negative: defective pictures called normal.
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
class RateVerdicts:
    """Verdicts at the thresholds of a false-reject rate.

    Attributes:
        alpha: share of good pictures that the thresholds may reject.
        in_force: whether these are the deployed thresholds.
        confusion: at these thresholds.
    """

    alpha: float
    in_force: bool
    confusion: Confusion


@dataclass(frozen=True)
class DetectionMetrics:
    """Metrics over all good pictures and some or all of the defective ones.

    Attributes:
        defects: name of the defects, or `real` or `synthetic` for all of a kind.
        synthetic: whether a program drew the defects; the metrics are then an estimate.
        good: number of good pictures.
        defective: number of defective pictures.
        masks: number of defective pictures with a mask.
        image: None unless there are both good and defective pictures.
        pixel: over good pictures and those with a mask; None without masks.
        confusion: at the deployed thresholds.
    """

    defects: str
    synthetic: bool
    good: int
    defective: int
    masks: int
    image: ImageMetrics | None
    pixel: PixelMetrics | None
    confusion: Confusion


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time for a picture, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


def detection_metrics(
    defects: str,
    good: Sequence[JudgedPicture],
    defective: Sequence[JudgedPicture],
    pixel: PixelMetrics | None,
) -> DetectionMetrics:
    """Metrics of verdicts on labelled pictures.

    Args:
        defects: name of the defects.
        good: verdicts on the good pictures.
        defective: verdicts on the defective pictures.
        pixel: metrics of the pixels of the same pictures.

    >>> from pathlib import Path
    >>> good, bad = Sample(Path("a.png"), None), Sample(Path("b.png"), "dent")
    >>> judged = [JudgedPicture(good, 0.2, 0.3, False, 1, 1)]
    >>> judged += [JudgedPicture(bad, 0.9, 0.9, True, 1, 1)]
    >>> metrics = detection_metrics("dent", judged[:1], judged[1:], None)
    >>> metrics.image.auroc, metrics.confusion.recall
    (1.0, 1.0)
    """
    return DetectionMetrics(
        defects=defects,
        synthetic=any(one.sample.synthetic for one in defective),
        good=len(good),
        defective=len(defective),
        masks=sum(bool(one.sample.masks) for one in defective),
        image=image_metrics(good, defective) if good and defective else None,
        pixel=pixel,
        confusion=count_verdicts(good, defective),
    )


def image_metrics(
    good: Sequence[JudgedPicture], defective: Sequence[JudgedPicture]
) -> ImageMetrics:
    """Metrics of the scores of good and of defective pictures, at least one each."""
    labels = [0] * len(good) + [1] * len(defective)
    scores = [one.score for one in (*good, *defective)]
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    # The last point has recall 0 and no threshold.
    both = (precision + recall)[:-1]
    f1 = 2 * (precision * recall)[:-1] / np.where(both > 0, both, 1)
    best = int(np.argmax(f1))
    return ImageMetrics(
        auroc=float(roc_auc_score(labels, scores)),
        average_precision=float(average_precision_score(labels, scores)),
        f1_max=float(f1[best]),
        f1_max_threshold=float(thresholds[best]),
    )


def count_verdicts(good: Sequence[JudgedPicture], defective: Sequence[JudgedPicture]) -> Confusion:
    """Confusion of the verdicts on good and on defective pictures."""
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


def verdicts_at(
    prices: Prices,
    deployed: BothThresholds,
    good: Sequence[JudgedPicture],
    defective: Sequence[JudgedPicture],
) -> tuple[RateVerdicts, ...]:
    """Verdicts at each rate that a model's self-test has priced.

    What is undecided stays anomalous, whatever the thresholds are.

    Args:
        prices: of the model.
        deployed: thresholds by which the pictures were judged.
        good: the good pictures.
        defective: the defective ones.
    """

    def above(one: JudgedPicture, thresholds: BothThresholds) -> bool:
        return one.score > thresholds.image or one.peak > thresholds.pixel

    def judged_by(pictures: Sequence[JudgedPicture], by: BothThresholds) -> list[JudgedPicture]:
        return [
            replace(one, anomalous=above(one, by) or (one.anomalous and not above(one, deployed)))
            for one in pictures
        ]

    return tuple(
        RateVerdicts(
            alpha=one.alpha,
            in_force=(one.image, one.pixel) == (deployed.image, deployed.pixel),
            confusion=count_verdicts(judged_by(good, one), judged_by(defective, one)),
        )
        for one in prices.at
    )


def latency(times_ms: Sequence[float]) -> Latency:
    """Percentiles of at least one time, interpolated between neighbours."""
    p50_ms, p95_ms, p99_ms = np.percentile(times_ms, [50, 95, 99])
    return Latency(float(p50_ms), float(p95_ms), float(p99_ms))
