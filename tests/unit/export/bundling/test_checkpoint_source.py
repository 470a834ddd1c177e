from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from takt.core.bundles.manifest import Crop
from takt_export.bundling.checkpoint_source import (
    CheckpointSource,
    preprocess_of,
    with_full_view,
    with_seen,
    with_statistics,
    with_zero_shot,
)
from takt_export.errors import ExportError
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, Checkpoint, InputRecipe, TrainedThresholds
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import WHOLE

WritePictures = Callable[..., list[Path]]


@pytest.fixture(scope="module")
def inpformer() -> Checkpoint:
    """Two blocks of 16 channels on a grid of 5 x 5, cut out of 80 x 80 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = InpFormer(WHOLE).eval()
    return Checkpoint(
        model,
        framework="official",
        recipe=InputRecipe(80, 80, "pillow_bilinear", Centre(70, 70)),
        thresholds=TrainedThresholds(0.5, 0.6),
        assumptions=("the size",),
    )


@pytest.fixture
def unfinished(thin_model: EfficientAd) -> Checkpoint:
    """As nelson1425's files leave it: without statistics."""
    model = EfficientAd(EfficientAdConfig(recipe="nelson1425"))
    model.teacher, model.student = thin_model.teacher, thin_model.student
    return Checkpoint(
        model.eval(),
        framework="nelson1425",
        recipe=InputRecipe(256, 256, "pillow_bilinear"),
        missing=("teacher statistics", "map quantiles"),
    )


@pytest.mark.parametrize(
    ("whole", "cut", "corner"),
    # torchvision's CenterCrop: int(round((whole - cut) / 2.0)), to even at a half
    [
        ((448, 448), (392, 392), (28, 28)),
        ((81, 83), (70, 70), (6, 6)),
        ((75, 77), (70, 70), (2, 4)),
    ],
)
def test_the_crop_lies_where_torchvision_cuts(
    whole: tuple[int, int], cut: tuple[int, int], corner: tuple[int, int]
) -> None:
    spec = preprocess_of(InputRecipe(*whole, "tensor_bilinear", Centre(*cut)))
    assert spec.crop == Crop(x=corner[0], y=corner[1], width=cut[0], height=cut[1])
    assert (spec.width, spec.height, spec.resize) == (*whole, "tensor_bilinear")


def test_the_facts_are_those_of_the_checkpoint(inpformer: Checkpoint) -> None:
    facts = CheckpointSource(inpformer).facts
    assert (facts.family, facts.variant, facts.framework) == ("inpformer", "dim16", "official")
    assert (facts.map_size, facts.score_from) == ((256, 256), "model")
    assert facts.preprocess.input_size == (70, 70)
    assert facts.trained_thresholds is not None
    assert (facts.trained_thresholds.image, facts.trained_thresholds.pixel) == (0.5, 0.6)
    assert facts.notes == ("assumed: the size",)


def test_the_answer_is_torch_s(inpformer: Checkpoint) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 70, 70, 3), dtype=np.uint8)
    golden = CheckpointSource(inpformer).answer(images)
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        anomaly_map, score = inpformer.model(pixels)
    assert np.array_equal(golden.anomaly_map, anomaly_map.numpy())
    assert np.array_equal(golden.score, score.numpy())


def test_the_whole_view_resizes_straight_to_the_input_and_leaves_the_thresholds(
    inpformer: Checkpoint,
) -> None:
    whole = with_full_view(inpformer)
    assert whole.recipe == InputRecipe(70, 70, "pillow_bilinear")
    assert whole.thresholds is None
    assert "80 x 80" in whole.notes[0]
    with pytest.raises(ExportError, match="without --full-view"):
        with_full_view(whole)


def test_zero_shot_answers_by_the_distance_to_the_prototypes(inpformer: Checkpoint) -> None:
    shot = with_zero_shot(inpformer)
    assert shot.thresholds is None
    assert "zero-shot" in shot.notes[0]
    images = torch.rand(1, 3, 70, 70, generator=torch.Generator().manual_seed(0))
    model = inpformer.model
    assert isinstance(model, InpFormer)
    with torch.inference_mode():
        fused = model.fuse(model.encode(model.normalize(images)))
        distance = model.distance(fused, model.extract(fused))
        expected = model.smooth(model.enlarge(distance))
        assert torch.equal(shot.model(images)[0], expected)
        assert not torch.allclose(model(images)[0], expected)


def test_zero_shot_is_refused_where_there_are_no_prototypes(thin_checkpoint: Checkpoint) -> None:
    with pytest.raises(ExportError, match="family efficientad"):
        with_zero_shot(thin_checkpoint)


def test_pictures_of_the_training_count_as_seen_once(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "good", 2)
    knowing = with_seen(with_seen(thin_checkpoint, pictures), pictures)
    assert knowing.seen == (*thin_checkpoint.seen, *map(picture_digest, pictures))


def test_what_is_missing_is_measured_on_pictures_resized_as_in_the_training(
    unfinished: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    pictures = write_pictures(tmp_path / "good", 4)
    finished = with_statistics(unfinished, pictures, told.append)
    assert told == ["measuring teacher statistics and map quantiles on 4 pictures"]
    assert finished.missing == ()
    assert finished.seen == ()
    assert "on 4 pictures" in finished.notes[0]
    assert isinstance(finished.model, EfficientAd)
    assert float(finished.model.teacher_std.min()) > 0
    assert not torch.equal(finished.model.quantiles, torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_nothing_is_measured_where_nothing_is_missing(thin_checkpoint: Checkpoint) -> None:
    assert with_statistics(thin_checkpoint, [], pytest.fail) is thin_checkpoint


def test_one_picture_is_too_few_to_measure_on(
    unfinished: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="at least two"):
        with_statistics(unfinished, write_pictures(tmp_path / "good", 1), lambda line: None)


def test_the_map_of_nelson1425_is_scored_on_the_picture(unfinished: Checkpoint) -> None:
    facts = CheckpointSource(dataclasses.replace(unfinished, missing=())).facts
    assert (facts.score_from, facts.map_size) == ("map_on_picture", (64, 64))
