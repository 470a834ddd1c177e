"""How good a deployed model is on labelled pictures: ranking, verdicts and latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from tqdm import tqdm

from export.inspectors import Answer, Inspector
from export.pictures import Sample, read_picture
from export.pixels import PixelRanking, mask_on_map
from service.errors import TaktError


class EvaluationError(TaktError):
    """A picture or mask that does not allow the evaluation; says which."""

    code = "evaluation"
    title = "Evaluation"


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
    """Verdicts at the deployed threshold; positive is anomalous."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int


@dataclass(frozen=True)
class DefectResult:
    """One kind of defect: pictures, those called anomalous, and the AUROC against all good ones."""

    defect: str
    pictures: int
    found: int
    auroc: float | None


@dataclass(frozen=True)
class Latency:
    """Percentiles over the pictures, in milliseconds."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Evaluation:
    """A model on a data set.

    Attributes:
        model: its name.
        version: of it.
        good: number of good pictures.
        defective: number of defective ones.
        image: None where there are not both kinds.
        pixel_auroc: over the map's cells of good pictures and of defective ones with a mask; None
            without masks.
        masks: number of masks.
        threshold: the deployed one.
        confusion: at that threshold.
        false_reject_rate: share of good pictures called anomalous; None without good ones.
        by_defect: sorted by name.
        total: as the inspector times itself.
        wall: as the caller sees it.
        notes: what could not be measured, and why.
    """

    model: str
    version: str
    good: int
    defective: int
    image: Ranking | None
    pixel_auroc: float | None
    masks: int
    threshold: float
    confusion: Confusion
    false_reject_rate: float | None
    by_defect: tuple[DefectResult, ...]
    total: Latency
    wall: Latency
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Judged:
    """A sample's answer without its map."""

    defect: str | None
    score: float
    anomalous: bool
    total_ms: float
    wall_ms: float


def evaluate(
    inspector: Inspector,
    samples: Sequence[Sample],
    *,
    model: str,
    version: str,
    quiet: bool = False,
) -> Evaluation:
    """Inspect every picture, one at a time, and compare the answers with the labels.

    The first picture is inspected once more beforehand, so that no warm-up is in the latencies.

    Args:
        inspector: answers.
        samples: labelled pictures; at least one.
        model: name of what is evaluated.
        version: of it.
        quiet: show no progress bar.

    Raises:
        EvaluationError: a picture was refused, or a mask is not of its picture's size.
        PicturesError: a file cannot be read.
    """
    ranking = PixelRanking()
    answer = _inspect(inspector, samples[0])
    judged = []
    for sample in tqdm(samples, desc="inspecting", unit="picture", disable=quiet or None):
        answer = _inspect(inspector, sample)
        mask = _mask(sample, answer)
        if mask is not None:
            ranking.add(answer.anomaly_map, mask)
        judged.append(
            _Judged(sample.defect, answer.score, answer.anomalous, answer.total_ms, answer.wall_ms)
        )
    good = [one for one in judged if one.defect is None]
    defective = [one for one in judged if one.defect is not None]
    masks = sum(sample.mask is not None for sample in samples)
    confusion = Confusion(
        true_positive=sum(one.anomalous for one in defective),
        false_positive=sum(one.anomalous for one in good),
        true_negative=sum(not one.anomalous for one in good),
        false_negative=sum(not one.anomalous for one in defective),
    )
    pixel_auroc = ranking.auroc if masks else None
    return Evaluation(
        model=model,
        version=version,
        good=len(good),
        defective=len(defective),
        image=_rank(good, defective) if good and defective else None,
        pixel_auroc=pixel_auroc,
        masks=masks,
        threshold=answer.threshold,
        confusion=confusion,
        false_reject_rate=confusion.false_positive / len(good) if good else None,
        by_defect=_by_defect(good, defective),
        total=_latency([one.total_ms for one in judged]),
        wall=_latency([one.wall_ms for one in judged]),
        notes=_notes(len(good), len(defective), masks, pixel_auroc),
    )


def _inspect(inspector: Inspector, sample: Sample) -> Answer:
    try:
        data = sample.path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{sample.path} cannot be read: {error}") from error
    try:
        return inspector.inspect(data)
    except TaktError as error:
        raise EvaluationError(f"{sample.path}: {error}") from error


def _mask(sample: Sample, answer: Answer) -> NDArray[np.bool_] | None:
    """The defective cells of the map; None where nobody has marked them."""
    if sample.defect is None:
        return np.zeros(answer.anomaly_map.shape, np.bool_)
    if sample.mask is None:
        return None
    mask = read_picture(sample.mask).any(axis=2)
    if mask.shape != (answer.height, answer.width):
        raise EvaluationError(
            f"{sample.mask} is {mask.shape[1]} × {mask.shape[0]}, but its picture is "
            f"{answer.width} × {answer.height}; a mask must have the size of its picture"
        )
    height, width = answer.anomaly_map.shape
    return mask_on_map(mask, answer.placed, (height, width))


def _rank(good: Sequence[_Judged], defective: Sequence[_Judged]) -> Ranking:
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


def _by_defect(good: Sequence[_Judged], defective: Sequence[_Judged]) -> tuple[DefectResult, ...]:
    results = []
    for defect in sorted({one.defect for one in defective if one.defect is not None}):
        of_kind = [one for one in defective if one.defect == defect]
        results.append(
            DefectResult(
                defect=defect,
                pictures=len(of_kind),
                found=sum(one.anomalous for one in of_kind),
                auroc=_rank(good, of_kind).auroc if good else None,
            )
        )
    return tuple(results)


def _latency(times_ms: Sequence[float]) -> Latency:
    p50_ms, p95_ms = np.percentile(times_ms, [50, 95])
    return Latency(float(p50_ms), float(p95_ms))


def _notes(good: int, defective: int, masks: int, pixel_auroc: float | None) -> tuple[str, ...]:
    notes = []
    if not good:
        notes.append("there are no good pictures: no AUROC, no false-reject rate")
    if not defective:
        notes.append("there are no defective pictures: no AUROC")
    elif not masks:
        notes.append("there are no masks in ground_truth: no pixel AUROC")
    elif masks < defective:
        notes.append(
            f"defective pictures without a mask: {defective - masks}; "
            "the pixel AUROC leaves them out"
        )
    if masks and pixel_auroc is None:
        notes.append("the masks mark no pixel that the model sees, or all: no pixel AUROC")
    return tuple(notes)
