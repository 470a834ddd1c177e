"""Evaluation of a deployed model on labelled pictures: scores, verdicts, maps and latency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.findings import Prices
from takt.core.bundles.witnesses import BothThresholds
from takt.core.errors import TaktError
from takt_export.errors import EvaluationError
from takt_export.evaluation.aupro import PixelCounts
from takt_export.evaluation.data_sets import DataSet, Sample
from takt_export.evaluation.inspectors import InspectedPicture, Inspector
from takt_export.evaluation.metrics import (
    DetectionMetrics,
    JudgedPicture,
    Latency,
    RateVerdicts,
    detection_metrics,
    latency,
    verdicts_at,
)
from takt_export.evaluation.pixels import SIDE, RoiMask, compare, everywhere
from takt_export.pictures import read_mask


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on a data set.

    Attributes:
        model: name of the model.
        version: version of the model.
        threshold: deployed threshold of scores.
        pixel_side: side in pixels at which maps and masks were compared; 0 for each picture's own
            size.
        real: metrics on all defects but the synthetic ones; None if all defects are synthetic.
        synthetic: metrics on all synthetic defects; None without any.
        by_defect: metrics of each defect against all good pictures, sorted by name.
        total: latency that the inspector measured.
        wall: latency that the caller measured.
        pictures: verdict on each picture, in the order of the samples.
        notes: what could not be measured, and why.
        at_rates: verdicts at other false-reject rates, on real defects or else on synthetic ones;
            empty where the model has none priced.
    """

    model: str
    version: str
    threshold: float
    pixel_side: int
    real: DetectionMetrics | None
    synthetic: DetectionMetrics | None
    by_defect: tuple[DetectionMetrics, ...]
    total: Latency
    wall: Latency
    pictures: tuple[JudgedPicture, ...]
    notes: tuple[str, ...]
    at_rates: tuple[RateVerdicts, ...] = ()

    @property
    def groups(self) -> tuple[DetectionMetrics, ...]:
        """Metrics on real and on synthetic defects, where there are any."""
        return tuple(group for group in (self.real, self.synthetic) if group is not None)


class _Pixels:
    """Counts of pixels by defect; None is the key of good pictures."""

    def __init__(self, side: int, inside: RoiMask) -> None:
        self._side = side
        self._inside = inside
        self._counts: dict[str | None, PixelCounts] = defaultdict(PixelCounts)
        self.lost = 0

    def add(self, sample: Sample, answer: InspectedPicture) -> None:
        mask = defect_mask(sample, answer.width, answer.height)
        if mask is None:
            return
        pixels = compare(answer.anomaly_map, mask, answer.placed, self._side, self._inside)
        self._counts[sample.defect].add(pixels)
        self.lost += pixels.lost

    def of(self, defects: Iterable[str]) -> PixelCounts:
        """Counts of good pictures and of those with these defects."""
        names = [None, *defects]
        return PixelCounts.total([self._counts[name] for name in names if name in self._counts])


def evaluate(
    inspector: Inspector,
    data: DataSet,
    *,
    model: str,
    version: str,
    pixel_side: int = SIDE,
    inside: RoiMask = everywhere,
    prices: Prices | None = None,
    deployed: BothThresholds | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Inspect all pictures, one at a time, and compare the verdicts with the labels.

    An extra inspection of the first picture comes before, so that the latencies hold no warm-up.

    Args:
        inspector: inspects the pictures.
        data: labelled pictures.
        model: name of the model.
        version: version of the model.
        pixel_side: side in pixels at which maps and masks are compared; 0 for each picture's own
            size.
        inside: region of interest; pixels outside are neither sound nor defective.
        prices: what other false-reject rates would find, as the model has it.
        deployed: thresholds by which the inspector judges.
        quiet: show no progress bar.

    Raises:
        EvaluationError: a picture was refused, or a mask is not of its picture's size.
        PicturesError: a file cannot be read.
    """
    pixels = _Pixels(pixel_side, inside)
    answer = inspect_sample(inspector, data.samples[0])
    judged = []
    for sample in tqdm(data.samples, desc="inspecting", unit="picture", disable=quiet or None):
        answer = inspect_sample(inspector, sample)
        pixels.add(sample, answer)
        judged.append(
            JudgedPicture(
                sample,
                answer.score,
                float(answer.anomaly_map.max()),
                answer.anomalous,
                answer.total_ms,
                answer.wall_ms,
            )
        )
    real = [one for one in judged if one.sample.defect and not one.sample.synthetic]
    synthetic = [one for one in judged if one.sample.synthetic]
    good = [one for one in judged if one.sample.defect is None]
    groups = [("real", real)] if real or not synthetic else []
    groups += [("synthetic", synthetic)] if synthetic else []
    metrics = {name: _metrics(name, good, group, pixels) for name, group in groups}
    return Evaluation(
        model=model,
        version=version,
        threshold=answer.threshold,
        pixel_side=pixel_side,
        real=metrics.get("real"),
        synthetic=metrics.get("synthetic"),
        by_defect=tuple(
            _metrics(defect, good, [one for one in judged if one.sample.defect == defect], pixels)
            for defect in sorted({one.sample.defect for one in judged if one.sample.defect})
        ),
        total=latency([one.total_ms for one in judged]),
        wall=latency([one.wall_ms for one in judged]),
        pictures=tuple(judged),
        notes=(*data.notes, *_notes(tuple(metrics.values()), pixels.lost)),
        at_rates=verdicts_at(prices, deployed, good, real or synthetic)
        if prices is not None and deployed is not None
        else (),
    )


def inspect_sample(inspector: Inspector, sample: Sample) -> InspectedPicture:
    """Read a picture and inspect it.

    Raises:
        EvaluationError: the picture cannot be read or was refused; names it.
    """
    try:
        data = sample.path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{sample.path} cannot be read: {error}") from error
    try:
        return inspector.inspect(data)
    except TaktError as error:
        raise EvaluationError(f"{sample.path}: {error}") from error


def defect_mask(sample: Sample, width: int, height: int) -> NDArray[np.bool_] | None:
    """Defective pixels of a picture, bool [height, width]; None if the defect has no mask.

    Raises:
        EvaluationError: a mask is not of the picture's size.
        PicturesError: a mask cannot be read.
    """
    if sample.defect is not None and not sample.masks:
        return None
    union = np.zeros((height, width), np.bool_)
    for path in sample.masks:
        mask = read_mask(path)
        if mask.shape != union.shape:
            raise EvaluationError(
                f"{path} is {mask.shape[1]} × {mask.shape[0]}, but its picture is "
                f"{width} × {height}; a mask must have the size of its picture"
            )
        union |= mask
    return union


def _metrics(
    name: str, good: Sequence[JudgedPicture], defective: Sequence[JudgedPicture], pixels: _Pixels
) -> DetectionMetrics:
    counts = pixels.of(
        {one.sample.defect for one in defective if one.sample.masks and one.sample.defect}
    )
    return detection_metrics(name, good, defective, counts.metrics())


def _notes(groups: Sequence[DetectionMetrics], lost: int) -> tuple[str, ...]:
    good = groups[0].good
    defective = sum(group.defective for group in groups)
    masks = sum(group.masks for group in groups)
    notes = []
    if not good:
        notes.append("there are no good pictures: no AUROC, no false-reject rate")
    if not defective:
        notes.append("there are no defective pictures: no AUROC")
    elif not masks:
        notes.append("there are no masks in ground_truth: no figures of pixels")
    elif masks < defective:
        notes.append(
            f"defective pictures without a mask: {defective - masks}; "
            "the figures of pixels leave them out"
        )
    if masks and all(group.pixel is None for group in groups):
        notes.append("the masks mark no pixel that the model sees, or all: no figures of pixels")
    if lost:
        notes.append(
            f"marked regions that are smaller than a pixel of the comparison, or where the model "
            f"does not look: {lost}; the figures of pixels leave them out"
        )
    return tuple(notes)
