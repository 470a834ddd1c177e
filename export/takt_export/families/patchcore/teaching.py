"""How a PatchCore is taught: a head of judged defects beside the bank, which stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from takt_export.calibration.cross_conformal import joint_thresholds
from takt_export.families.patchcore.looking import seen_in
from takt_export.families.patchcore.scaled_head import (
    GoodParts,
    ScaledHead,
    bank_says,
    out_of_fold,
    suspects_of,
    with_head,
)
from takt_export.learning.family import reader
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.judged_pictures import TeachingPicture
from takt_export.learning.teaching.request import TaughtModel, TeachRequest
from takt_export.learning.teaching.verdicts import HeadGain, TurnedVerdicts, Verdicts
from takt_export.versions import package_versions
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.fit.device import place
from takt_models.fit.patchcore.directions import (
    OddestCells,
)
from takt_models.fit.patchcore.looked import Looked
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore


@torch.no_grad()
def teach_patchcore_to(request: TeachRequest, stages: Stages) -> TaughtModel:
    """Teaches a head, and writes the checkpoint of the model with it."""
    former, count = request.former, len(request.defects)
    assert isinstance(former.model, PatchCore)
    assert former.out_of_fold is not None and former.good_cells is not None
    good = GoodParts.of(former.model, former.out_of_fold, former.good_cells)
    pictures = [*(one.path for one in request.defects), *request.others]
    model = place(former.model, request.compute.device)
    seen: list[Looked] = []
    for one in seen_in(model, pictures, reader(former.recipe), request.compute):
        seen.append(one)
        stages.at(len(seen), len(pictures), "pictures")
    place(model, torch.device("cpu"))
    defects, others = seen[:count], seen[count:]
    oddest = OddestCells.joined([*_oddest(defects, request.defects)])
    head = ScaledHead.of(good, oddest, request.alpha)
    alone = joint_thresholds(good.bank_score, good.bank_peak, request.alpha)
    by_bank = Verdicts.at(alone, *bank_says(defects))
    unseen = out_of_fold(good, head, oddest, defects, request.part, request.alpha)
    if not HeadGain.of(unseen, by_bank).pays:
        _save(request, with_head(model, None), replace(good.cells, head=None))
        return TaughtModel(
            in_force=request.in_force,
            thresholds=alone,
            defects=TurnedVerdicts(_says(defects, request), by_bank),
            by_bank=TurnedVerdicts(by_bank, by_bank),
            others=TurnedVerdicts(_says(others, request), Verdicts.at(alone, *bank_says(others))),
            doubtful=by_bank.score < float(np.median(good.bank_score)),
            left_out=unseen,
        )
    levels = torch.from_numpy(head.levels).float()
    _save(request, with_head(model, head.module(good)), replace(good.cells, head=levels))
    pair = head.thresholds.pair
    return TaughtModel(
        in_force=request.in_force,
        thresholds=pair,
        defects=TurnedVerdicts(_says(defects, request), unseen),
        by_bank=TurnedVerdicts(by_bank, Verdicts.at(pair, *bank_says(defects))),
        others=TurnedVerdicts(_says(others, request), head.verdicts(good, others)),
        doubtful=unseen.score < _usual(good, head),
        suspects=suspects_of(good, head),
    )


def _says(looked: Sequence[Looked], request: TeachRequest) -> Verdicts:
    """What the former version says, by the thresholds that are in force."""
    return Verdicts.at(
        request.in_force,
        np.array([one.score for one in looked], np.float32),
        np.array([one.peak for one in looked], np.float32),
    )


def _usual(good: GoodParts, head: ScaledHead) -> float:
    """The median score of the good parts whose cells are kept, by bank and head together."""
    of_bank = good.bank_score[list(good.cells.parts)]
    return float(np.median(np.maximum(of_bank, good.of_score.values(head.levels))))


def _oddest(looked: Sequence[Looked], judged: Sequence[TeachingPicture]) -> Iterator[OddestCells]:
    for seen, one in zip(looked, judged, strict=True):
        box = one.cells_in_box(*seen.oddness.shape)
        inside = None if box is None else torch.from_numpy(box)
        yield OddestCells.of(seen.cells, seen.oddness, inside)


def _save(request: TeachRequest, model: PatchCore, cells: GoodCells) -> None:
    facts = _facts(request, model.config)
    save_checkpoint(request.out, model, facts, request.former.out_of_fold, cells)


def _facts(request: TeachRequest, config: PatchCoreConfig) -> FitFacts:
    former = request.former
    return FitFacts(
        config,
        former.seen,
        former.steps or len(former.seen),
        request.seed,
        package_versions(),
        encoder=former.model.variant,
        sizes=former.sizes,
        **former.recipe.facts(),
    )
