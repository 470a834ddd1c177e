"""A trial of one way to learn: fitted without some good pictures, which are then altered.

A bank knows its own pictures, so that a defect on one of them looks larger to it than on a part of
the line. So some good parts are held back from every trial, and defects are made up on these: the
same on the same pictures for every trial. Where a trial rejects such a picture as it is, the
defects on it say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt.core.bundles.conformal import Alpha, choose_alpha, needed_for
from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.domain import Image
from takt.core.pictures.preprocess import preprocess
from takt_export.bundling.checkpoint_source import CheckpointSource, preprocess_of
from takt_export.calibration.cross_conformal import OutOfFoldScores, cross_conformal
from takt_export.calibration.grouping import Grouped
from takt_export.calibration.self_test import made_up_defects
from takt_export.errors import LearnError
from takt_export.learning.look import GoodPictures
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.choosing import FoundByTrial
from takt_export.pictures import read_fit_input, read_picture
from takt_models.checkpoints.facts import Checkpoint
from takt_models.fit.device import Compute, place
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.pictures import as_image
from takt_models.fit.progress import Fitted
from takt_models.patchcore.detector import PatchCore

HELD_BACK = 24
"""Good parts that are altered, if they are no more than `HELD_BACK_SHARE` of all."""

HELD_BACK_SHARE = 1 / 4
FEWEST_PARTS = 20
"""Of fewer good parts too few can be held back to tell two ways to learn from one another."""

ALPHA = 0.05
"""Share of good pictures that the thresholds of a trial may reject, if so few can be promised."""

Tick = Callable[[], None]


@dataclass(frozen=True)
class TrialPictures:
    """The pictures of every trial.

    Attributes:
        learned: good pictures to fit on.
        grouped: what they have in common.
        altered: good pictures of other parts, one of each, that get made-up defects.
        choosing: defective pictures that choose.
        held_out: defective pictures that choose nothing.
    """

    learned: tuple[Path, ...]
    grouped: Grouped
    altered: tuple[Path, ...]
    choosing: tuple[Path, ...] = ()
    held_out: tuple[Path, ...] = ()

    @classmethod
    def deal(cls, pictures: GoodPictures, defects: Sequence[Path], seed: int) -> TrialPictures:
        """Holds good parts back at random; defects take turns by their names.

        Args:
            pictures: all good pictures.
            defects: all defective pictures; none will do.
            seed: seed of the good parts, and of which defect has the first turn.

        Raises:
            LearnError: the good pictures show too few parts.
        """
        parts = pictures.grouped.groups
        if parts.count < FEWEST_PARTS:
            raise LearnError(
                f"a search needs pictures of at least {FEWEST_PARTS} good parts, and these show "
                f"{parts.count}: learn without --search, or take more pictures"
            )
        count = min(HELD_BACK, int(HELD_BACK_SHARE * parts.count))
        drawn = np.random.default_rng((seed, 7)).permutation(parts.count)[:count]
        held = frozenset(drawn.tolist())
        first: dict[int, Path] = {}
        for path, part in zip(pictures.paths, parts.number, strict=True):
            first.setdefault(part, path)
        kept = [number for number, part in enumerate(parts.number) if part not in held]
        ordered = sorted(defects)
        return cls(
            learned=tuple(pictures.paths[number] for number in kept),
            grouped=pictures.grouped.chosen(kept),
            altered=tuple(first[part] for part in sorted(held)),
            choosing=tuple(ordered[seed % 2 :: 2]),
            held_out=tuple(ordered[1 - seed % 2 :: 2]),
        )


@dataclass(frozen=True)
class Judge:
    """A fitted bank with its thresholds.

    Attributes:
        model: on the device of the trial.
        thresholds: of score and map.
        spec: way from a picture to the input.
        device: of the model.
    """

    model: PatchCore
    thresholds: ThresholdPair
    spec: Preprocess
    device: torch.device

    @torch.no_grad()
    def answer(self, picture: Image) -> tuple[Tensor, Tensor]:
        """Anomaly map [1,h,w] and score [1] of a picture of any size."""
        levels = preprocess(picture, self.spec)
        assert levels.dtype == np.uint8
        answer: tuple[Tensor, Tensor] = self.model(as_image(levels.view(np.uint8), self.device))
        return answer

    def look(self, picture: Image) -> tuple[float, float]:
        """Score and highest map value of a picture of any size."""
        anomaly_map, score = self.answer(picture)
        return float(score), float(anomaly_map.amax())

    def rejects(self, picture: Image) -> bool:
        """Whether a picture is anomalous by its score or its map."""
        score, peak = self.look(picture)
        return score > self.thresholds.image or peak > self.thresholds.pixel


def try_bank(
    choice: BankChoice, pictures: TrialPictures, seed: int, compute: Compute, tick: Tick
) -> FoundByTrial:
    """Fits a bank, and looks at what it finds.

    Args:
        choice: the way to learn.
        pictures: those of every trial.
        seed: seed of the fit.
        compute: device and precision.
        tick: is called as the trial goes on.

    Raises:
        FitError: the pictures do not do.
        PicturesError: a picture cannot be read.
    """
    judge = fit_judge(choice, pictures.learned, pictures.grouped, seed, compute, tick)
    read = _with_tick(partial(read_picture, spec=judge.spec), tick)
    made_up, rejected = [], []
    for number, path in enumerate(pictures.altered):
        picture = read(path)
        rejected.append(judge.rejects(picture))
        made_up.append(math.nan if rejected[-1] else _share_found(judge, picture, number))
    choosing, held_out = (
        np.array([judge.rejects(read(path)) for path in paths], np.bool_)
        for paths in (pictures.choosing, pictures.held_out)
    )
    return FoundByTrial(np.array(made_up), np.array(rejected), choosing, held_out)


def fit_judge(
    choice: BankChoice,
    good: Sequence[Path],
    grouped: Grouped,
    seed: int,
    compute: Compute,
    tick: Tick = lambda: None,
) -> Judge:
    """Fits a bank, and finds its thresholds out of fold, as an export does.

    Args:
        choice: the way to learn.
        good: pictures of good parts.
        grouped: what they have in common.
        seed: seed of the fit.
        compute: device and precision.
        tick: is called for each picture that is read.

    Raises:
        FitError: the pictures do not do.
        PicturesError: one cannot be read.
    """
    encoder = choice.encoder()
    spec = preprocess_of(encoder.recipe)
    fitted = fit_patchcore(
        [good],
        _with_tick(partial(read_fit_input, spec=spec), tick),
        encoder,
        PatchCoreOptions(seed=seed, bank_size=choice.bank_size),
        compute,
        part=grouped.parts.number,
        apart=grouped.apart,
        quiet=True,
    )
    tick()
    scored = scores_out_of_fold(fitted, encoder)
    found = cross_conformal(scored, Alpha(alpha_for(len(scored.score))))
    thresholds = ThresholdPair(found.image, found.pixel)
    return Judge(place(fitted.model, compute.device), thresholds, spec, compute.device)


def scores_out_of_fold(fitted: Fitted[PatchCore], encoder: PatchCoreEncoder) -> OutOfFoldScores:
    """What an export takes of a fit's out-of-fold maps; the pictures' paths are their digests."""
    seen = tuple(map(str, fitted.seen))
    checkpoint = Checkpoint(
        fitted.model, "takt", encoder.recipe, seen, out_of_fold=fitted.out_of_fold
    )
    scored = CheckpointSource(checkpoint).facts.out_of_fold
    assert scored is not None
    return scored


def alpha_for(count: int) -> float:
    """`ALPHA`, or the smallest rate that so many good parts allow.

    >>> alpha_for(200), alpha_for(15)
    (0.05, 0.0625)
    """
    return ALPHA if count >= needed_for(ALPHA) else choose_alpha(None, count).value


def _share_found(judge: Judge, picture: Image, number: int) -> float:
    """The share of a picture's made-up defects that is found; NaN if none can be seen on it."""
    found = [judge.rejects(one) for _, _, one in made_up_defects(picture, _everywhere, number)]
    return float(np.mean(found)) if found else math.nan


def _everywhere(width: int, height: int) -> NDArray[np.bool_]:
    return np.ones((height, width), np.bool_)


def _with_tick(read: Callable[[Path], Image], tick: Tick) -> Callable[[Path], Image]:
    def reading(path: Path) -> Image:
        tick()
        return read(path)

    return reading
