"""The resizes of trainings, by the libraries that trainings use: Pillow and torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

TrainedResize = Literal["pillow_bilinear", "tensor_bilinear", "tensor_bicubic"]
"""Pillow's filter on 8 bits, as torchvision resizes pictures; or torchvision's on float tensors.
All are antialiased."""


def resized(
    picture: NDArray[np.uint8], width: int, height: int, resize: TrainedResize
) -> NDArray[np.float32]:
    """A picture as a training resized it, its aspect ratio not kept.

    >>> steps = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    >>> resized(steps, 1, 1, "tensor_bilinear").tolist()  # Pillow rounds that to 128
    [[[127.5, 127.5, 127.5]]]

    Args:
        picture: RGB uint8 [H,W,3].
        width: columns of the result.
        height: rows of the result.
        resize: filter of the training.

    Returns:
        RGB float32 [height,width,3], levels 0..255; whole ones by Pillow. The bicubic filter goes a
        little beyond 0 and 255 beside edges.
    """
    if resize == "pillow_bilinear":
        small = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(small, np.float32)
    levels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    mode = resize.removeprefix("tensor_")
    found = F.interpolate(levels, size=(height, width), mode=mode, antialias=True)
    return found[0].permute(1, 2, 0).contiguous().numpy()
