"""Outputs of EfficientNet-Lite0's blocks on a set's pictures, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.evaluation.data_sets import Sample, read_data_set
from export.pictures import list_pictures, read_picture
from models.fit.backbone import Lite0Features
from service.bundles.manifest import Preprocess
from service.domain import Image
from service.pictures.preprocess import preprocess

BLOCKS = ("1.1", "2.0", "2.1", "3.0", "3.2", "4.0", "4.1", "4.2")
"""Kept blocks of timm's network, by stage and place."""

BATCH = 4


@dataclass(frozen=True)
class Pictures:
    """The pictures of a set that a variant is measured on.

    Attributes:
        name: of the set.
        good: pictures to fit on.
        tested: labelled pictures.
    """

    name: str
    good: tuple[Path, ...]
    tested: tuple[Sample, ...]


def pictures_of(root: Path, every: int = 1) -> Pictures:
    """Pictures of a set in MVTec AD's layout, or each n-th of them."""
    good = list_pictures(root / "train" / "good")[::every]
    return Pictures(root.name, good, read_data_set(root).samples[::every])


def cached(
    pictures: Pictures, size: tuple[int, int], blocks: Sequence[str], scratch: Path
) -> dict[str, NDArray[np.float16]]:
    """Block outputs [N,C,h,w] on the good pictures, then the tested ones, by block.

    Args:
        pictures: of a set.
        size: width and height of the input.
        blocks: keys of `BLOCKS`.
        scratch: folder of what was computed before.
    """
    count = len(pictures.good) + len(pictures.tested)
    folder = scratch / f"{pictures.name}-{count}-{size[0]}x{size[1]}"
    if not folder.is_dir():
        paths = [*pictures.good, *(sample.path for sample in pictures.tested)]
        outputs = _outputs(paths, size)
        folder.mkdir(parents=True)
        for block, values in outputs.items():
            np.save(folder / f"{block}.npy", values)
    return {block: np.load(folder / f"{block}.npy", mmap_mode="r") for block in blocks}


@torch.inference_mode()
def _outputs(paths: Sequence[Path], size: tuple[int, int]) -> dict[str, NDArray[np.float16]]:
    network = Lite0Features().network
    kept: dict[str, Tensor] = {}
    for block in BLOCKS:
        stage, place = map(int, block.split("."))
        network.blocks[stage][place].register_forward_hook(
            lambda _m, _i, out, block=block: kept.__setitem__(block, out)
        )
    found: dict[str, list[NDArray[np.float16]]] = {block: [] for block in BLOCKS}
    network.to(memory_format=torch.channels_last)
    for first in range(0, len(paths), BATCH):
        images = np.stack(
            [_input(read_picture(path), size) for path in paths[first : first + BATCH]]
        )
        network((torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128)
        for block, values in kept.items():
            found[block].append(values.to(torch.float16).contiguous().numpy())
    return {block: np.concatenate(values) for block, values in found.items()}


def _input(picture: Image, size: tuple[int, int]) -> Image:
    return preprocess(picture, Preprocess(width=size[0], height=size[1], resize="area"))
