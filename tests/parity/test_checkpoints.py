"""Each checkpoint of the public code, loaded by Takt, answers what that code answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.facts import Checkpoint, TrainedThresholds
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.nelson import measure_missing
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.efficientad.detector import EfficientAd
from takt_models.inpformer.detector import InpFormer

TOLERANCE = 1e-4
Expected = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """A fixture.

    Attributes:
        folder: its name.
        file: of the checkpoint; the folder itself if None.
        normalised: whether its inputs are stored so.
        final_map: the array of maps; None where each picture has its own.
        variant: of the model in it.
    """

    folder: str
    file: str | None
    normalised: bool
    final_map: str | None
    variant: str


EFFICIENTAD_ANOMALIB = Case("efficientad_anomalib_s", "model.ckpt", False, "final_map", "small")
EFFICIENTAD_NELSON = Case("efficientad_nelson_s", None, True, None, "small")
INPFORMER_ANOMALIB = Case("inpformer_anomalib_micro", "model.ckpt", True, "final_map_392", "dim64")
INPFORMER_OFFICIAL = Case("inpformer_official_micro", "model.pth", True, "final_map_256", "dim64")
CASES = (EFFICIENTAD_ANOMALIB, EFFICIENTAD_NELSON, INPFORMER_ANOMALIB, INPFORMER_OFFICIAL)


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that lacks nothing, and what the public code computed with it."""

    case: Case
    checkpoint: Checkpoint
    expected: Expected

    def image(self, index: int) -> Tensor:
        """The input [1,3,H,W] in [0,1] of one picture."""
        stored = torch.from_numpy(self.expected["input"][index : index + 1])
        if not self.case.normalised:
            return stored
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        return stored * std + mean

    def final_map(self, index: int) -> NDArray[np.float32]:
        if self.case.final_map is None:
            return np.asarray(self.expected[f"final_map_{index}"])
        return np.asarray(self.expected[self.case.final_map][index])


def path_of(fixtures: Path, case: Case) -> Path:
    folder = fixtures / case.folder
    return folder / case.file if case.file else folder


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.folder)
def loaded(fixtures: Path, request: pytest.FixtureRequest) -> Loaded:
    case: Case = request.param
    checkpoint = load_checkpoint(path_of(fixtures, case))
    if checkpoint.missing:
        pictures = list((fixtures / case.folder / "good").iterdir())
        checkpoint = measure_missing(checkpoint, pictures, read_with_pillow)
    return Loaded(case, checkpoint, np.load(fixtures / case.folder / "expected.npz"))


def read_with_pillow(path: Path) -> Tensor:
    image_module = pytest.importorskip("PIL.Image", reason="their pictures are resized by Pillow")
    picture = image_module.open(path).convert("RGB")
    resized = np.asarray(picture.resize((256, 256), image_module.Resampling.BILINEAR))
    return torch.from_numpy(resized.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("index", range(4))
@torch.no_grad()
def test_the_map_and_the_score_are_theirs(loaded: Loaded, index: int) -> None:
    model, theirs = loaded.checkpoint.model, loaded.final_map(index)
    image = loaded.image(index)
    if loaded.case.final_map is None:
        assert isinstance(model, EfficientAd)
        raw = model.differences(model.normalize(image))
        anomaly_map = model.combine(raw, (theirs.shape[0], theirs.shape[1]))[:, 0]
        score = anomaly_map.amax()
    else:
        anomaly_map, score = model(image)
    np.testing.assert_allclose(anomaly_map[0].numpy(), theirs, rtol=0, atol=TOLERANCE)
    assert abs(float(score) - loaded.expected["image_score"][index]) < TOLERANCE


def test_the_thresholds_are_those_that_were_stored(loaded: Loaded) -> None:
    stored = loaded.expected.get("post_processor")
    if stored is None:
        assert loaded.checkpoint.thresholds is None
    else:
        assert loaded.checkpoint.thresholds == TrainedThresholds(*map(float, stored))


def test_the_input_has_the_size_of_the_recipe(loaded: Loaded) -> None:
    recipe = loaded.checkpoint.recipe
    size = recipe.crop or recipe
    assert loaded.expected["input"].shape[2:] == (size.height, size.width)
    assert loaded.checkpoint.model.input_size == (size.height, size.width)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder)
def test_a_description_says_what_it_is(fixtures: Path, case: Case) -> None:
    described = describe(path_of(fixtures, case))
    assert described.loadable
    assert described.problem is None
    assert described.family == case.folder.split("_")[0]
    assert described.variant == case.variant
    assert (described.thresholds is None) == (described.framework != "anomalib")


def test_the_split_and_the_statistics_of_nelson1425_come_back(fixtures: Path) -> None:
    folder = fixtures / EFFICIENTAD_NELSON.folder
    expected = np.load(folder / "expected.npz")
    read_names: list[str] = []

    def read(path: Path) -> Tensor:
        read_names.append(path.name)
        return read_with_pillow(path)

    pictures = sorted((folder / "good").iterdir(), reverse=True)
    whole = measure_missing(load_checkpoint(folder), pictures, read)
    assert read_names == [*expected["train_files"], *expected["validation_files"]]
    model = whole.model
    assert isinstance(model, EfficientAd)
    for name in ("teacher_mean", "teacher_std", "quantiles"):
        np.testing.assert_allclose(
            getattr(model, name).numpy(), expected[name], rtol=0, atol=TOLERANCE
        )
    assert set(whole.seen) == {picture_digest(path) for path in pictures}


@torch.no_grad()
def test_the_zero_shot_map_of_the_official_code_is_theirs(fixtures: Path) -> None:
    folder = fixtures / INPFORMER_OFFICIAL.folder
    checkpoint = load_checkpoint(folder / "model.pth")
    expected = np.load(folder / "expected.npz")
    case = Loaded(INPFORMER_OFFICIAL, checkpoint, expected)
    assert isinstance(checkpoint.model, InpFormer)
    anomaly_map, score = checkpoint.model.in_mode("zero_shot")(case.image(0))
    theirs = expected["zs_final_map_256"][0]
    np.testing.assert_allclose(anomaly_map[0].numpy(), theirs, rtol=0, atol=TOLERANCE)
    assert abs(float(score) - expected["zs_image_score"][0]) < TOLERANCE
