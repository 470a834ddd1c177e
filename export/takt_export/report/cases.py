"""Pictures of the report: misses, false rejects and hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image
from takt.core.pictures.heatmap import ColorScale, render
from takt.core.pictures.placement import Placement
from takt.core.pictures.postprocess import Criteria, judge
from takt.core.pictures.prepare import whole_picture
from takt.core.pictures.roi import roi_drawing
from takt_export.evaluation.evaluate import Evaluation, defect_mask, inspect_sample
from takt_export.evaluation.inspectors import Inspector
from takt_export.evaluation.metrics import JudgedPicture
from takt_export.evaluation.record import EvaluationContext
from takt_export.pictures import MAX_PIXELS, named, relative_name

CaseKind = Literal["miss", "false reject", "hit"]

EACH = 6
"""Largest number of pictures of a kind; with their overlays all stay below 5 MB."""

LONGEST = 400
"""Longer side of a picture in the report, in pixels."""

MAX_REGIONS = 64
# Colours at full resolution; a thin line would fade otherwise.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY,
    85,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]
_MARK = (255, 0, 255)
_RIM = (0, 0, 0)


@dataclass(frozen=True)
class Case:
    """A picture of the evaluation in the report.

    Attributes:
        kind: reason to show it.
        name: name of its file below the data set.
        judged: label and score.
        outlined: whether the mask of the defect is outlined in the picture.
        wide: whether picture and overlay fit better one below the other.
        picture: JPEG.
        overlay: JPEG of the same size, with the anomaly map and its regions.
    """

    kind: CaseKind
    name: str
    judged: JudgedPicture
    outlined: bool
    wide: bool
    picture: bytes
    overlay: bytes


def choose_cases(
    pictures: Sequence[JudgedPicture], *, synthetic: bool
) -> list[tuple[CaseKind, JudgedPicture]]:
    """The misses with the lowest scores, the false rejects with the highest, and some hits.

    The hits are spread evenly over the scores of all hits: typical ones, not the best.

    Args:
        pictures: all pictures of the evaluation.
        synthetic: whether to take synthetic defects or real ones.
    """
    ranked = sorted(pictures, key=lambda one: one.score)
    defective = [
        one for one in ranked if one.sample.defect is not None and one.sample.synthetic == synthetic
    ]
    misses = [one for one in defective if not one.anomalous][:EACH]
    rejects = [one for one in reversed(ranked) if one.sample.defect is None and one.anomalous]
    hits = [one for one in defective if one.anomalous]
    places = range(min(EACH, len(hits)))
    spread = [hits[(2 * place + 1) * len(hits) // (2 * len(places))] for place in places]
    return [
        *(("miss", one) for one in misses),
        *(("false reject", one) for one in rejects[:EACH]),
        *(("hit", one) for one in spread),
    ]


def draw_cases(
    inspector: Inspector, result: Evaluation, context: EvaluationContext
) -> tuple[Case, ...]:
    """Inspect the chosen pictures again, as their maps were not kept, and draw them.

    A data set with real and synthetic defects shows only real ones.

    Raises:
        EvaluationError: a picture was refused.
    """
    return tuple(
        _case(kind, one, inspector, result.threshold, context)
        for kind, one in choose_cases(result.pictures, synthetic=result.groups[0].synthetic)
    )


def _case(
    kind: CaseKind,
    judged: JudgedPicture,
    inspector: Inspector,
    threshold: float,
    context: EvaluationContext,
) -> Case:
    answer = inspect_sample(inspector, judged.sample)
    path, spec = judged.sample.path, context.manifest.preprocess
    with named(path):
        # In the levels that the model sees, by which files of 16 bits are nearly black or not.
        picture = _scaled(whole_picture(path.read_bytes(), spec, MAX_PIXELS))
    height, width, _ = picture.shape
    placed = Placement(
        x=answer.placed.x._replace(original=width), y=answer.placed.y._replace(original=height)
    )
    roi = context.manifest.roi
    pixel_threshold = max(context.thresholds.pixel, -math.inf if roi is None else roi.outside)
    criteria = Criteria(threshold=threshold, pixel_threshold=pixel_threshold)
    verdict = judge(
        answer.score,
        answer.anomaly_map,
        placed,
        criteria,
        np.zeros(0, np.float32),
        MAX_REGIONS,
    )
    overlay = render(
        "overlay",
        "jpeg",
        picture,
        answer.anomaly_map,
        placed.box,
        ColorScale(low=context.manifest.map.low, threshold=pixel_threshold),
        verdict.regions,
        roi_drawing(context.bundle),
    )
    mask = defect_mask(judged.sample, answer.width, answer.height)
    outlined = mask is not None and bool(mask.any())
    return Case(
        kind=kind,
        name=relative_name(judged.sample.path, context.data.root),
        judged=judged,
        outlined=outlined,
        wide=width > 1.6 * height,
        picture=_jpeg(_outline(picture, mask) if outlined and mask is not None else picture),
        overlay=overlay.data,
    )


def _scaled(picture: Image) -> Image:
    """The picture with no side longer than `LONGEST`."""
    height, width, _ = picture.shape
    factor = LONGEST / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scaled: Image = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return scaled


def _outline(picture: Image, mask: NDArray[np.bool_]) -> Image:
    """A copy with a line just outside the pixels that a mask of the original size marks."""
    height, width, _ = picture.shape
    # All pixels that a marked pixel touches, so that no small mark is lost.
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    grown = cv2.dilate((share > 0).astype(np.uint8), np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = picture.copy()
    cv2.drawContours(drawn, contours, -1, _RIM, 4, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, _MARK, 2, cv2.LINE_AA)
    return drawn


def _jpeg(picture: Image) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _JPEG)
    assert done
    return data.tobytes()
