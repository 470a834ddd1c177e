"""The self-test of a model whose graph runs in an engine, with the code that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.conformal import conformal_threshold
from takt.core.bundles.findings import FitRecord, SelfTest
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.domain import Image, ModelOutput, RawPicture
from takt.core.engines.base import Engine
from takt.core.inspection.offline import inspect_offline
from takt.core.pictures.placement import placement
from takt.core.pictures.postprocess import picture_score
from takt.core.pictures.roi import RoiDrawing
from takt_export.bundling.measure import Cells, PictureScores, Recipe
from takt_export.calibration.cross_conformal import OutOfFoldScores, threshold_of
from takt_export.calibration.lots import Lots
from takt_export.calibration.next_lot import ScoresByLot
from takt_export.calibration.odd_pictures import OddPictures, odd_pictures
from takt_export.calibration.outliers import outliers
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_export.calibration.self_test import (
    refuse_findings,
    self_test,
    with_findings_of_pictures,
)
from takt_export.calibration.subject import Shown, Subject
from takt_export.pictures import MAX_PIXELS, read_picture, short_name
from takt_models.checkpoints.picture_digest import picture_digest

WHOLE = 0.004
"""Share of a cell that may be missing where it is called whole: less than a level of 255."""


class KnownModel(Recipe, Protocol):
    """How a model sees pictures, and what is known of it; `SourceFacts` and a manifest say it."""

    @property
    def family(self) -> str:
        """Kind of detector."""

    @property
    def fit(self) -> FitRecord:
        """What is known of its fit."""


def subject_of(
    engine: Engine,
    model: KnownModel,
    inside: Cells | None,
    thresholds: ThresholdPair,
    alpha: float | None,
    of_good: PictureScores,
    of_defects: PictureScores,
    pictures: CalibrationPictures,
    out_of_fold: OutOfFoldScores | None = None,
    at: Callable[[float], ThresholdPair] | None = None,
) -> Subject:
    """A model at its thresholds, to be tested.

    Args:
        engine: runs the graph.
        model: how it sees pictures.
        inside: the cells of the map that count; all if None.
        thresholds: of score and map; at infinity the map does not decide.
        alpha: false-reject rate of the thresholds; None if good pictures gave none.
        of_good: scores of the pictures that calibrate.
        of_defects: scores of the given defective pictures.
        pictures: the good pictures.
        out_of_fold: scores that the threshold rests on instead of `of_good`.
        at: both thresholds at another rate; None where good pictures do not give them.
    """
    subject = Subject(
        family=model.family,
        fit=model.fit,
        thresholds=thresholds,
        look=partial(witnesses_of, engine, model),
        counted=partial(counted_pixels, model, inside),
        good_score=of_good.score,
        good_peak=of_good.peak,
        defect_score=of_defects.score,
        defect_peak=of_defects.peak,
        alpha=alpha,
        read=partial(read_picture, spec=model.preprocess),
        at=at,
        by_lot=None if alpha is None else _by_lot(of_good, pictures, out_of_fold),
    )
    if out_of_fold is not None:
        altered = partial(_altered_map, engine, model, inside)
        return _out_of_fold(subject, altered, pictures, out_of_fold, alpha)
    if alpha is not None:
        parts = pictures.unseen_parts
        names = [
            short_name(pictures.unseen[picture]) for picture in parts.of_highest(of_good.score)
        ]
        rule = partial(conformal_threshold, alpha=alpha)
        subject = replace(subject, odd=odd_pictures(parts.highest(of_good.score), names, rule))
    return subject


def _by_lot(
    of_good: PictureScores, pictures: CalibrationPictures, out_of_fold: OutOfFoldScores | None
) -> ScoresByLot:
    """The scores that thresholds rest on, with the lots of their pictures."""
    if out_of_fold is None:
        parts = pictures.unseen_parts
        scores, lots = of_good.of_parts(parts), pictures.lots.chosen(parts.first)
        return ScoresByLot(lots, scores.score, scores.peak, are_unseen=True)
    held_apart = out_of_fold.lots
    lots = Lots(held_apart) if held_apart else pictures.lots
    return ScoresByLot(lots, out_of_fold.score, out_of_fold.peak, are_unseen=bool(held_apart))


def tested(
    subject: Subject,
    pictures: CalibrationPictures,
    *,
    former: SelfTest | None = None,
    strict: bool,
    quiet: bool,
) -> SelfTest:
    """Test a model at its thresholds.

    Args:
        subject: the model.
        pictures: the good pictures.
        former: self-test of a version that was learned from the same good pictures, which are not
            given; what it says of them holds.
        strict: refuse a model that anything speaks against.
        quiet: show no bar.

    Raises:
        PicturesError: a picture cannot be read.
        SelfTestError: it is refused.
    """
    found = self_test(subject, pictures, quiet=quiet)
    if former is not None:
        found = with_findings_of_pictures(found, former)
    if strict:
        refuse_findings(found)
    return found


def _out_of_fold(
    subject: Subject,
    altered: Callable[[Image, Shown], NDArray[np.float32]],
    pictures: CalibrationPictures,
    scored: OutOfFoldScores,
    alpha: float | None,
) -> Subject:
    """The subject with scores of its pictures out of fold: the served model knows the pictures."""
    digests = {path: picture_digest(path) for path in pictures.unseen}
    score, peak = (
        dict(zip(scored.digests, values.tolist(), strict=True))
        for values in (scored.score, scored.peak)
    )
    names = {digest: short_name(path) for path, digest in digests.items()}

    def unseen(path: Path, picture: Image, shown: Shown) -> tuple[float, float]:
        # Pictures of another part have no score out of fold.
        if path not in digests:
            return look(picture)
        return scored.altered(digests[path], altered(picture, shown))

    look = subject.look
    return replace(
        subject,
        good_score=np.array([score[digests[path]] for path in pictures.unseen], np.float32),
        good_peak=np.array([peak[digests[path]] for path in pictures.unseen], np.float32),
        odd=None if alpha is None else _odd(scored, names, alpha),
        unseen=unseen,
    )


def _odd(scored: OutOfFoldScores, names: Mapping[str, str], alpha: float) -> OddPictures | None:
    rule = partial(threshold_of, alpha=alpha)
    left_out = outliers(scored.score, scored.peak)
    files = {**scored.files, **names}
    return odd_pictures(scored.score, [*map(files.get, scored.digests)], rule, left_out)


def score_of(engine: Engine, model: Recipe, picture: Image) -> float:
    """The score of a decoded picture, RGB uint8 [H,W,3], as the service gives it."""
    return witnesses_of(engine, model, picture)[0]


def witnesses_of(engine: Engine, model: Recipe, picture: Image) -> tuple[float, float]:
    """Score and highest map value of a decoded picture, RGB uint8 [H,W,3], as served."""
    height, width, _ = picture.shape
    answer = _answer(engine, model, picture)
    score = picture_score(answer.score, answer.anomaly_map, model.score_from, width, height)
    return score, float(answer.anomaly_map.max())


def _altered_map(
    engine: Engine, model: Recipe, inside: Cells | None, picture: Image, shown: Shown
) -> NDArray[np.float32]:
    """The map values [m] of a picture that count; below all others where nothing is shown."""
    anomaly_map = _answer(engine, model, picture).anomaly_map
    if shown is not None:
        seen = _shown_cells(model, shown, anomaly_map.shape)
        anomaly_map = np.where(seen, anomaly_map, np.float32(-np.inf))
    return anomaly_map.ravel() if inside is None else anomaly_map[inside]


def _shown_cells(
    model: Recipe, shown: NDArray[np.bool_], map_size: tuple[int, ...]
) -> NDArray[np.bool_]:
    """The cells [h,w] of a map that show these pixels alone, and whose neighbours do as well."""
    height, width = shown.shape
    seen = placement(model.preprocess, width, height).box
    part = shown[seen.y : seen.y + seen.height, seen.x : seen.x + seen.width]
    share = cv2.resize(part.astype(np.float32), map_size[::-1], interpolation=cv2.INTER_AREA)
    whole = (share > 1 - WHOLE).astype(np.uint8)
    # A cell tells of what lies around it, too.
    return cv2.erode(whole, np.ones((3, 3), np.uint8)).astype(np.bool_)


def _answer(engine: Engine, model: Recipe, picture: Image) -> ModelOutput:
    height, width, _ = picture.shape
    raw = RawPicture(picture.tobytes(), width, height, "rgb8")
    return inspect_offline(engine, raw, model, MAX_PIXELS).answer


def counted_pixels(
    model: Recipe, inside: Cells | None, width: int, height: int
) -> NDArray[np.bool_]:
    """The pixels of a picture that the model sees and that count: bool [height,width]."""
    seen = placement(model.preprocess, width, height).box
    if inside is not None:
        return RoiDrawing(inside).mask(seen, height, width).astype(np.bool_)
    counted = np.zeros((height, width), np.bool_)
    counted[seen.y : seen.y + seen.height, seen.x : seen.x + seen.width] = True
    return counted
