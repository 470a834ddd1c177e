"""A head of judged defects on the scale of the bank, and what it says of what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt.core.bundles.conformal import choose_alpha
from takt.core.bundles.levels import Scale
from takt_export.calibration.cross_conformal import (
    HeadLevels,
    JointThresholds,
    headed,
    joint_thresholds,
)
from takt_export.calibration.head_scale import HeadScale, scale_of_head
from takt_export.calibration.outliers import outlying
from takt_export.errors import LearnError
from takt_export.learning.teaching.verdicts import Verdicts
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.patchcore.directions import (
    MOST_DIRECTIONS,
    GoodStatistics,
    Likeness,
    OddestCells,
    good_likeness,
    likeness,
    scaled,
)
from takt_models.fit.patchcore.looked import Looked
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.head import DefectHead

FOLDS = 10
"""Folds of judged defects, each of which is asked of a head without it."""


@dataclass(frozen=True)
class GoodParts:
    """Good parts of the fit, as the bank without them scores them.

    Attributes:
        cells: of those whose cells are kept.
        statistics: of the cells.
        bank_score: scores [n].
        bank_peak: the highest values of their maps, [n].
    """

    cells: GoodCells
    statistics: GoodStatistics
    bank_score: NDArray[np.float32]
    bank_peak: NDArray[np.float32]

    @classmethod
    def of(cls, model: PatchCore, scored: OutOfFold, cells: GoodCells) -> GoodParts:
        """Those of a fit.

        Raises:
            LearnError: the parts are all alike.
        """
        maps = scored.maps.flatten(1)
        score, peak = model.score_of(maps).numpy(), maps.amax(1).numpy()
        if not min(Scale.of(score).unit, Scale.of(peak).unit) > 0:
            raise LearnError("the good parts of this version are all alike: learn it anew")
        return cls(cells, GoodStatistics.of(cells), score, peak)

    @property
    def of_score(self) -> Scale:
        """The scale of the bank's scores."""
        return Scale.of(self.bank_score)

    @property
    def of_peak(self) -> Scale:
        """The scale of the maps' highest values."""
        return Scale.of(self.bank_peak)


@dataclass(frozen=True)
class ScaledHead:
    """A head on the scale of the bank's levels, and what it makes of the thresholds.

    Attributes:
        likeness: of its directions.
        scale: from a likeness to a level.
        levels: what it says of the good parts whose cells are kept, without having seen them, [m].
        thresholds: of bank and head together.
        asked: likeness of the good parts whose cells are kept, each by what has not seen it, [m,K].
    """

    likeness: Likeness
    scale: HeadScale
    levels: NDArray[np.float64]
    thresholds: JointThresholds
    asked: Tensor

    @classmethod
    def of(cls, good: GoodParts, defects: OddestCells, alpha: float) -> ScaledHead:
        """The head of some defects.

        Args:
            good: good parts.
            defects: the oddest cells of each; at least one.
            alpha: false-reject rate.
        """

        def resting_on(without: int | None) -> Likeness:
            return likeness(good.cells, good.statistics, defects, without=without)

        return cls._of(good, resting_on, alpha)

    @classmethod
    def again(cls, good: GoodParts, head: DefectHead, alpha: float) -> ScaledHead:
        """A head that is there, by other good parts or another bank."""

        def resting_on(without: int | None) -> Likeness:
            return scaled(good.cells, head.directions, without=without)

        return cls._of(good, resting_on, alpha)

    @classmethod
    def _of(
        cls, good: GoodParts, resting_on: Callable[[int | None], Likeness], alpha: float
    ) -> ScaledHead:
        asked = good_likeness(good.cells, resting_on)
        return cls.on_scale(good, resting_on(None), asked, alpha)

    @classmethod
    def on_scale(cls, good: GoodParts, found: Likeness, asked: Tensor, alpha: float) -> ScaledHead:
        """Directions on the scale of the bank's levels; what is `asked` is that of the fields."""
        most = asked.amax(1)
        unseen = good.cells.for_all(most, torch.from_numpy(good.bank_score)).numpy()
        scale = scale_of_head(unseen, good.bank_score, good.bank_peak, alpha)
        both = HeadLevels(scale.level(unseen), good.bank_score, good.bank_peak)
        levels = scale.level(most.numpy())
        return cls(found, scale, levels, headed(both, alpha), asked)

    def some(self, good: GoodParts, defects: Sequence[int], alpha: float) -> ScaledHead:
        """The head of some defects, where each has a direction of its own."""
        asked = self.asked[:, [*defects]]
        return self.on_scale(good, self.likeness.some(defects), asked, alpha)

    def verdicts(self, good: GoodParts, looked: Sequence[Looked]) -> Verdicts:
        """What bank and head together say of pictures that neither has seen."""
        score, peak = bank_says(looked)
        if looked:
            cells = torch.stack([one.cells for one in looked])
            level = self.scale.level(self.likeness.of(cells).amax(1).numpy())
            score = np.maximum(score, good.of_score.values(level))
            peak = np.maximum(peak, good.of_peak.values(level))
        return Verdicts.at(self.thresholds.pair, score, peak)

    def module(self, good: GoodParts) -> DefectHead:
        """The head as the model has it."""
        found, scale = self.likeness, self.scale
        of_score, of_peak = good.of_score, good.of_peak
        grid = found.usual.shape[1], found.usual.shape[2]
        head = DefectHead(len(found.unit), found.directions.shape[1], grid)
        # A response r is the likeness (r - start) / unit, and that is a level.
        gain = of_score.unit / scale.unit / found.unit
        level = (-found.start / found.unit - scale.start) / scale.unit
        head.directions.copy_(found.directions)
        head.usual.copy_(found.usual)
        head.spread.copy_(found.spread)
        head.gain.copy_(gain)
        head.offset.copy_(of_score.value(-scale.lowered) + of_score.unit * level)
        slope = of_peak.unit / of_score.unit
        head.onto_map.copy_(torch.tensor([of_peak.start - slope * of_score.start, slope]))
        return head


def with_same_head(
    model: PatchCore, scored: OutOfFold, cells: GoodCells, alpha: float | None
) -> tuple[PatchCore, GoodCells]:
    """A taught model whose bank has grown: its head on the new scale, and what it says of all.

    Args:
        model: with the larger bank, and the head of the former one.
        scored: what its good parts score out of fold.
        cells: of these.
        alpha: false-reject rate of the thresholds; as few as the parts allow if None.
    """
    assert model.head is not None
    good = GoodParts.of(model, scored, cells)
    rate = choose_alpha(alpha, len(scored.pictures)).value
    head = ScaledHead.again(good, model.head, rate)
    levels = torch.from_numpy(head.levels).float()
    return with_head(model, head.module(good)), replace(cells, head=levels)


def with_head(model: PatchCore, head: DefectHead | None) -> PatchCore:
    """The model with another head, or with none; everything else is shared."""
    directions = 0 if head is None else len(head.gain)
    taught = PatchCore(replace(model.config, directions=directions))
    # What is shared goes by name, so that nothing is left as a new model has it.
    for name, child in model.named_children():
        setattr(taught, name, child)
    taught.usual, taught.spread = model.usual, model.spread
    taught.head = head
    return taught.eval()


def out_of_fold(
    good: GoodParts,
    head: ScaledHead,
    oddest: OddestCells,
    looked: Sequence[Looked],
    part: Sequence[int],
    alpha: float,
) -> Verdicts:
    """What is said of each judged defect by a head that has not seen its part.

    Args:
        good: good parts.
        head: of all the defects.
        oddest: the oddest cells of each.
        looked: what the bank sees in each.
        part: number of the part that each of them shows.
        alpha: false-reject rate.
    """
    fold = folds_of(part)
    score = np.empty(len(looked), np.float32)
    anomalous = np.zeros(len(looked), np.bool_)
    for one in np.unique(fold):
        mine = np.flatnonzero(fold == one)
        others = np.flatnonzero(fold != one).tolist()
        asked = [looked[number] for number in mine.tolist()]
        if not others:
            alone = joint_thresholds(good.bank_score, good.bank_peak, alpha)
            found = Verdicts.at(alone, *bank_says(asked))
        elif len(looked) <= MOST_DIRECTIONS:
            found = head.some(good, others, alpha).verdicts(good, asked)
        else:
            found = ScaledHead.of(good, oddest.some(others), alpha).verdicts(good, asked)
        score[mine], anomalous[mine] = found.score, found.anomalous
    return Verdicts(score, anomalous)


def suspects_of(good: GoodParts, head: ScaledHead) -> tuple[str, ...]:
    """Files of good parts that look like judged defects, the likest first.

    That some do is told as for outliers: what the head says of its good parts, without having seen
    them, goes farther than a tail of good ones.
    """
    odd, files = outlying(head.levels), good.cells.files
    likest = np.argsort(-head.levels, kind="stable").tolist()
    parts = [good.cells.parts[number] for number in likest if odd[number]]
    return tuple(files[part] for part in parts if part in files)


def folds_of(part: Sequence[int]) -> NDArray[np.intp]:
    """The fold [P] of each judged defect: those of one part share it."""
    _, number = np.unique(np.array(part), return_inverse=True)
    return number % FOLDS


def bank_says(looked: Sequence[Looked]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores [N] and the maps' highest values [N] by the bank alone."""
    return (
        np.array([one.bank_score for one in looked], np.float32),
        np.array([one.bank_peak for one in looked], np.float32),
    )
