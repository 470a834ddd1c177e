"""Measurements on real pictures: scores, and the cost of another filter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.bundle import Golden
from takt.core.bundles.conformal import warning_of_ties
from takt.core.bundles.manifest import Preprocess, ResizeDrift, ScoreFrom
from takt.core.domain import AnomalyMap, ModelInput, ModelOutput
from takt.core.engines.base import Engine, EngineOutput
from takt.core.inspection.offline import View
from takt.core.pictures.postprocess import picture_score
from takt_export.bundling.source import ModelSource, SourceFacts
from takt_export.bundling.tiles import is_smaller, warn_of_small_pictures
from takt_export.calibration.parts import Parts
from takt_export.errors import ExportError
from takt_export.pictures import look_at, middle_tile, read_model_input, read_picture

MAP_STEP = 4
"""The maps' median is taken of every fourth row and column, which bounds the memory; within a
region of interest, of every sixteenth cell."""

MAP_SIDE = 512
"""Maps with more cells than a square of this side give fewer rows and columns."""


Cells = NDArray[np.bool_]
"""Cells of a map [h, w]."""


class Recipe(View, Protocol):
    """How a model sees and scores pictures; `SourceFacts` and a manifest are recipes."""

    @property
    def score_from(self) -> ScoreFrom:
        """Where a picture's score is taken."""


@dataclass(frozen=True)
class PictureScores:
    """Scores and map values of n pictures.

    Attributes:
        score: float32 [n].
        peak: the highest value of each map, float32 [n].
        level: the mean of each map, float32 [n].
        map_median: median of all map values that count; 0 without pictures.
        smaller: number of pictures that are smaller than a tile.
    """

    score: NDArray[np.float32]
    peak: NDArray[np.float32]
    level: NDArray[np.float32]
    map_median: float
    smaller: int

    def of_parts(self, parts: Parts) -> PictureScores:
        """The highest score and map values of each part that the pictures show."""
        return replace(
            self,
            score=parts.highest(self.score),
            peak=parts.highest(self.peak),
            level=parts.highest(self.level),
        )


def measure(
    engine: Engine,
    pictures: Sequence[Path],
    facts: Recipe,
    inside: Cells | None,
    what: str,
    *,
    quiet: bool,
) -> PictureScores:
    """Scores and maps of pictures, one at a time, from the engine that serves.

    Args:
        engine: runs the graph.
        pictures: files.
        facts: how they become the graph's input, and where their score is taken.
        inside: the cells of the map that count, at least one; all if None.
        what: name of the pictures beside the progress bar.
        quiet: show no bar.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    scores, peaks, levels, values, smaller = [], [], [], [], 0
    for path in tqdm(pictures, desc=what, unit="picture", disable=quiet or not pictures or None):
        looked = look_at(engine, path, facts)
        answer, width, height = looked.answer, looked.width, looked.height
        check_finite(path, np.float32(answer.score), answer.anomaly_map)
        scores.append(_score(answer, facts, width, height))
        peaks.append(answer.anomaly_map.max())
        levels.append(answer.anomaly_map.mean())
        values.append(_sampled(answer.anomaly_map, inside))
        smaller += is_smaller(width, height, facts.tiling)
    return PictureScores(
        score=np.array(scores, np.float32),
        peak=np.array(peaks, np.float32),
        level=np.array(levels, np.float32),
        map_median=float(np.median(np.concatenate(values))) if values else 0.0,
        smaller=smaller,
    )


def measure_calibration(
    engine: Engine,
    good: Sequence[Path],
    defects: Sequence[Path],
    facts: Recipe,
    inside: Cells | None,
    *,
    tell: Callable[[str], None],
    quiet: bool,
) -> tuple[PictureScores, PictureScores]:
    """Measure good and defective pictures; warn of what speaks against their thresholds.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    of_good = measure(engine, good, facts, inside, "good pictures", quiet=quiet)
    of_defects = measure(engine, defects, facts, inside, "defective pictures", quiet=quiet)
    warn_of_small_pictures(of_good.smaller, facts.tiling, tell)
    if (warning := warning_of_ties(of_good.score)) is not None:
        tell(warning)
    return of_good, of_defects


def measure_resize(
    source: ModelSource,
    engine: Engine,
    pictures: Sequence[Path],
    facts: SourceFacts,
    trained: Preprocess,
    *,
    quiet: bool,
) -> ResizeDrift:
    """Differences of `facts.preprocess` and its graph from the training on wholly decoded pictures.

    If the model sees tiles, one of each picture is compared.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    spec = facts.preprocess
    levels, of_score, of_map = 0.0, 0.0, 0.0
    what = f"{trained.resize} against {spec.resize}"
    for path in tqdm(pictures, desc=what, unit="picture", disable=quiet or None):
        height, width, _ = middle_tile(read_picture(path, spec), facts.tiling).shape
        ours, theirs = (read_model_input(path, way, facts.tiling) for way in (spec, trained))
        found, expected = infer_one(engine, ours, path), source.answer(theirs[None])
        check_finite(path, expected.score, expected.anomaly_map)
        levels = max(levels, float(np.abs(ours.astype(np.float32) - theirs).max()))
        scores = [score_of_one(answer, facts, width, height) for answer in (found, expected)]
        of_score = max(of_score, abs(scores[0] - scores[1]))
        of_map = max(of_map, float(np.abs(found.anomaly_map - expected.anomaly_map).max()))
    return ResizeDrift(
        trained_with=trained.resize,
        pictures=len(pictures),
        grey_levels=levels,
        score=of_score,
        anomaly_map=of_map,
    )


def infer_one(engine: Engine, image: ModelInput, path: Path) -> EngineOutput:
    """An engine's finite answer to one model input, [H,W,3]."""
    answer = engine.infer(image[None])
    check_finite(path, answer.score, answer.anomaly_map)
    return answer


def _sampled(anomaly_map: AnomalyMap, inside: Cells | None) -> NDArray[np.float32]:
    """Evenly spread values of a map [n], of the cells that count."""
    if inside is None:
        step = math.ceil(MAP_STEP * max(1.0, math.sqrt(anomaly_map.size) / MAP_SIDE))
        return anomaly_map[::step, ::step].ravel()
    return anomaly_map[inside][:: MAP_STEP**2].copy()


def _score(answer: ModelOutput, facts: Recipe, width: int, height: int) -> float:
    return picture_score(answer.score, answer.anomaly_map, facts.score_from, width, height)


def score_of_one(answer: EngineOutput | Golden, facts: Recipe, width: int, height: int) -> float:
    """The score of the only picture in a batch, of so many pixels."""
    one = ModelOutput(answer.anomaly_map[0], float(answer.score[0]))
    return _score(one, facts, width, height)


def check_finite(path: Path, *answers: NDArray[np.float32] | np.float32) -> None:
    """Refuse an answer with NaN or infinity.

    Raises:
        ExportError: there is some.
    """
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ExportError(f"the model's answer to {path} is not finite; train it again")
