"""The statistics of an EfficientAD that are measured on good pictures instead of learned."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from takt_models.efficientad.detector import EfficientAd

MAP_QUANTILES = (0.9, 0.995)


class FlatStatisticsError(ValueError):
    """Good pictures that vary too little to scale the maps."""


@torch.no_grad()
def set_teacher_statistics(model: EfficientAd, images: Iterable[Tensor]) -> None:
    """Sets the teacher's mean and deviation of each channel over all positions of the images.

    The sums are float64, so that one pass is as good as two.

    Args:
        model: detector whose teacher runs as it is, without autocast.
        images: at least one image, RGB [1,3,H,W] in [0,1].

    Raises:
        FlatStatisticsError: a channel never varies.
    """
    sums = torch.zeros_like(model.teacher_mean, dtype=torch.float64)
    squares = torch.zeros_like(sums)
    count = 0
    for image in images:
        features = model.teacher(model.normalize(image)).double()
        sums += features.mean((0, 2, 3), keepdim=True)
        squares += features.square().mean((0, 2, 3), keepdim=True)
        count += 1
    mean = sums / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    if not bool((std > 1e-6 * mean.abs()).all()):
        raise FlatStatisticsError(
            "a channel of the teacher never varies on the good pictures: are they empty, or is "
            "the teacher damaged?"
        )
    model.teacher_mean.copy_(mean)
    model.teacher_std.copy_(std)


@torch.no_grad()
def set_map_quantiles(model: EfficientAd, images: Iterable[Tensor]) -> None:
    """Sets q_a and q_b of both maps, the 0.9 and 0.995 quantiles over all pixels of the images.

    Args:
        model: detector in eval mode with the teacher's statistics set; it runs without autocast.
        images: at least one image that was not fitted, RGB [1,3,H,W] in [0,1].

    Raises:
        FlatStatisticsError: q_a is not below q_b.
    """
    raw = (model.differences(model.normalize(image)) for image in images)
    maps = [model.quantile_maps(differences) for differences in raw]
    st = np.quantile([m.st.cpu().numpy() for m in maps], MAP_QUANTILES)
    ae = np.quantile([m.ae.cpu().numpy() for m in maps], MAP_QUANTILES)
    if not (st[0] < st[1] and ae[0] < ae[1]):
        raise FlatStatisticsError(
            "the anomaly maps of the validation pictures are flat: are the pictures empty?"
        )
    model.quantiles.copy_(torch.from_numpy(np.concatenate([st, ae])))
