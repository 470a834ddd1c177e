"""anomalib's PatchCore against its formulas written out one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from takt_models.patchcore.anomalib import bank as bank_module
from takt_models.patchcore.anomalib.backbone import Backbone, UnknownBackboneError
from takt_models.patchcore.anomalib.bank import JointBank
from takt_models.patchcore.anomalib.config import JointPatchCoreConfig
from takt_models.patchcore.anomalib.detector import JointPatchCore
from takt_models.patchcore.anomalib.smoothing import PatchSmoothing, gaussian

TINY = "test_resnet"
"""timm's smallest residual network."""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


def filled_bank(size: int, channels: int) -> tuple[JointBank, Tensor]:
    vectors = torch.randn(size, channels)
    bank = JointBank(size, channels)
    bank.fill(vectors)
    return bank, vectors


def test_the_distance_is_to_the_nearest_vector_of_all_shelves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bank_module, "SHELF", 8)
    bank, vectors = filled_bank(27, 5)
    assert [len(shelf) for shelf in bank.shelves] == [8, 8, 8, 3]
    patches = torch.randn(3, 11, 5)
    expected = torch.cdist(patches.double(), vectors.double()).min(2)
    found = bank(patches)
    torch.testing.assert_close(found.distance.double(), expected.values)
    assert torch.equal(found.number, expected.indices)
    assert set((expected.indices // 8).flatten().tolist()) == {0, 1, 2, 3}


def test_a_patch_of_the_bank_has_no_distance_however_long_it_is() -> None:
    bank, vectors = filled_bank(20, 6)
    bank.fill(1000 + vectors)
    assert bank((1000 + vectors)[None, 4:9]).distance.tolist() == [[0.0] * 5]


@pytest.mark.parametrize("neighbors", [2, 9, 50])
def test_the_weight_is_one_less_the_share_of_the_nearest_vector(
    monkeypatch: pytest.MonkeyPatch, neighbors: int
) -> None:
    monkeypatch.setattr(bank_module, "SHELF", 8)
    bank, vectors = filled_bank(27, 5)
    patches = torch.randn(4, 5)
    nearest = torch.cdist(patches, vectors).argmin(1)
    for patch, number, weight in zip(
        patches, nearest, bank.weight(patches, nearest, neighbors), strict=True
    ):
        around = (vectors - vectors[number]).norm(dim=1).argsort()[:neighbors]
        exponentials = (vectors[around] - patch).norm(dim=1).exp()
        assert float(weight) == pytest.approx(float(1 - exponentials[0] / exponentials.sum()))


@pytest.mark.parametrize(("grid", "size"), [((4, 8), (32, 64)), ((5, 7), (33, 60))])
def test_the_map_is_repeated_mirrored_and_blurred(
    grid: tuple[int, int], size: tuple[int, int]
) -> None:
    distances = torch.rand(2, *grid)
    repeated = functional.interpolate(distances[:, None], size=size, mode="nearest")
    mirrored = functional.pad(repeated, (16, 16, 16, 16), mode="reflect")
    kernel = torch.outer(gaussian(), gaussian()).float()[None, None]
    expected = functional.conv2d(mirrored, kernel)[:, 0]
    torch.testing.assert_close(PatchSmoothing(grid, size)(distances), expected)


def test_the_gaussian_has_a_deviation_of_4_and_reaches_16_pixels() -> None:
    weights = gaussian()
    assert len(weights) == 33
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[16] / weights[20]) == pytest.approx(np.exp(0.5))


def model(neighbors: int = 9, width: int = 64, height: int = 32) -> JointPatchCore:
    config = JointPatchCoreConfig(TINY, (1, 2), 30, width, height, neighbors)
    made = JointPatchCore(config).eval()
    made.memory.fill(torch.randn(30, made.memory.shelves[0].shape[1]))
    return made


@torch.no_grad()
def test_patches_join_averaged_layers_on_the_first_one_s_grid() -> None:
    joint = model()
    images = torch.rand(2, 3, 32, 64)
    fine, coarse = joint.encoder(joint.normalize(images))
    assert fine.shape[2:] == joint.grid == (8, 16)
    fine, coarse = (functional.avg_pool2d(one, 3, 1, 1) for one in (fine, coarse))
    coarse = functional.interpolate(coarse, size=(8, 16), mode="bilinear")
    expected = torch.cat([fine, coarse], 1)[1, :, 3, 5]
    torch.testing.assert_close(joint.embed(joint.normalize(images))[1, 3 * 16 + 5], expected)


@torch.no_grad()
def test_the_score_is_the_weighed_greatest_distance_of_a_patch() -> None:
    joint = model()
    images = torch.rand(3, 3, 32, 64)
    patches = joint.embed(joint.normalize(images))
    distance, number = joint.memory(patches)
    anomaly_map, scores = joint(images)
    for index, score in enumerate(scores):
        place = distance[index].argmax()
        weight = joint.memory.weight(patches[index, place][None], number[index, place][None], 9)
        torch.testing.assert_close(score, (weight * distance[index, place])[0])
    assert anomaly_map.shape == (3, 32, 64)
    assert float(anomaly_map.min()) >= joint.lowest == 0


@torch.no_grad()
def test_with_one_neighbor_the_score_has_no_weight() -> None:
    joint = model(neighbors=1)
    images = torch.rand(2, 3, 32, 64)
    distance, _ = joint.memory(joint.embed(joint.normalize(images)))
    torch.testing.assert_close(joint(images)[1], distance.amax(1))


@torch.no_grad()
def test_pictures_answer_alone_as_in_a_batch() -> None:
    joint, images = model(), torch.rand(3, 3, 32, 64)
    together = joint(images)
    for index in range(3):
        anomaly_map, score = joint(images[index : index + 1])
        torch.testing.assert_close(anomaly_map[0], together[0][index])
        torch.testing.assert_close(score[0], together[1][index])


def test_an_input_that_the_blur_cannot_mirror_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a side of 16 pixels.*needs more"):
        model(width=16)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "local-dir:/tmp", "no_such_network"])
def test_a_backbone_that_timm_would_read_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UnknownBackboneError, match="has no network"):
        Backbone(name)
