from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_export.calibration.cross_conformal import joint_thresholds
from takt_export.errors import LearnError
from takt_export.families.patchcore.scaled_head import (
    GoodParts,
    ScaledHead,
    suspects_of,
    with_head,
    with_same_head,
)
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.fit.device import Compute
from takt_models.fit.patchcore import turning
from takt_models.fit.patchcore.directions import OddestCells
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.looked import Looked, looked_at
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.progress import Fitted
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

pytestmark = pytest.mark.torch

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=160, height=96)
CPU = Compute.choose("cpu", bf16=False)
ALPHA = 0.05


def load(path: Path) -> NDArray[np.uint8]:
    """Noise; with a spot of one colour if the folder is called so."""
    picture = np.random.default_rng(int(path.stem)).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    if path.parent.name == "spot":
        picture[16:80, 48:112] = (250, 10, 10)
    return picture


@pytest.fixture(scope="module")
def fitted() -> Fitted[PatchCore]:
    weights = a_patchcore(CONFIG).encoder.state_dict()
    encoder = PatchCoreEncoder("random", CONFIG, InputRecipe(160, 96, "area"), weights)
    good = tuple(Path(f"good/{number}.png") for number in range(40))
    options = PatchCoreOptions(bank_size=40)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(turning, "FEW", 0)  # noise would be seen in every turn
        return fit_patchcore([good], load, encoder, options, CPU, quiet=True)


@pytest.fixture(scope="module")
def good(fitted: Fitted[PatchCore]) -> GoodParts:
    assert fitted.out_of_fold is not None and fitted.good_cells is not None
    return GoodParts.of(fitted.model, fitted.out_of_fold, fitted.good_cells)


def look(model: PatchCore, folder: str, numbers: range) -> list[Looked]:
    return [*looked_at(model, [Path(f"{folder}/{one}.png") for one in numbers], load, CPU)]


def taught(fitted: Fitted[PatchCore], good: GoodParts, count: int = 3) -> ScaledHead:
    """A head of pictures in which somebody has drawn a box around the spot."""
    box = torch.zeros(fitted.model.grids[-1], dtype=torch.bool)
    box[1:5, 3:7] = True
    seen = look(fitted.model, "spot", range(100, 100 + count))
    oddest = OddestCells.joined([OddestCells.of(one.cells, one.oddness, box) for one in seen])
    return ScaledHead.of(good, oddest, ALPHA)


@torch.no_grad()
def test_the_model_answers_what_the_teaching_measured(
    fitted: Fitted[PatchCore], good: GoodParts
) -> None:
    head = taught(fitted, good)
    model = with_head(fitted.model, head.module(good))
    asked = look(fitted.model, "spot", range(200, 210))
    said = head.verdicts(good, asked)
    again = look(model, "spot", range(200, 210))
    scores = np.array([one.score for one in again])
    # Cells were kept in sixteenths of a deviation.
    assert scores == pytest.approx(said.score, abs=0.05)
    pair = head.thresholds.pair
    peaks = np.array([one.peak for one in again])
    rejected = (scores > pair.image) | (peaks > pair.pixel)
    assert rejected.tolist() == said.anomalous.tolist()


def test_it_finds_what_resembles_the_defects_more_often_than_the_bank(
    fitted: Fitted[PatchCore], good: GoodParts
) -> None:
    head = taught(fitted, good, count=5)
    asked = look(fitted.model, "spot", range(300, 340))
    alone = joint_thresholds(good.bank_score, good.bank_peak, ALPHA)
    by_bank = np.mean([one.bank_score > alone.image for one in asked])
    assert head.verdicts(good, asked).anomalous.mean() > by_bank
    usual = look(fitted.model, "good", range(1000, 1100))
    assert head.verdicts(good, usual).anomalous.mean() <= 0.12


def test_a_head_on_the_same_good_parts_is_the_same_again(
    fitted: Fitted[PatchCore], good: GoodParts
) -> None:
    assert fitted.out_of_fold is not None and fitted.good_cells is not None
    once = with_head(fitted.model, taught(fitted, good).module(good))
    again, cells = with_same_head(once, fitted.out_of_fold, fitted.good_cells, ALPHA)
    assert once.head is not None and again.head is not None and cells.head is not None
    assert torch.equal(again.head.directions, once.head.directions)
    torch.testing.assert_close(again.head.gain, once.head.gain, rtol=0.5, atol=0)
    assert again.config.directions == 3
    assert len(cells.head) == 40


def test_pictures_that_it_was_learned_from_are_told_where_they_look_like_judged_defects(
    fitted: Fitted[PatchCore], good: GoodParts
) -> None:
    usual = -np.log(1 - np.linspace(0, 0.97, 40))
    head = taught(fitted, good)
    assert suspects_of(good, replace(head, levels=usual)) == ()
    usual[[7, 3, 21, 30]] = (30, 40, 20, 10)
    found = suspects_of(good, replace(head, levels=usual))
    assert found == ("good/3.png", "good/7.png", "good/21.png", "good/30.png")
    nameless = replace(good, cells=replace(good.cells, names=()))
    assert suspects_of(nameless, replace(head, levels=usual)) == ()


def test_good_parts_that_are_all_alike_are_refused(fitted: Fitted[PatchCore]) -> None:
    scored = fitted.out_of_fold
    assert scored is not None and fitted.good_cells is not None
    alike = type(scored)(scored.pictures, torch.ones_like(scored.distances), scored.folds)
    kept = GoodCells(fitted.good_cells.parts, fitted.good_cells.cells)
    with pytest.raises(LearnError, match="all alike"):
        GoodParts.of(fitted.model, alike, kept)
