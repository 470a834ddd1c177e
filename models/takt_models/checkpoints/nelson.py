"""The three networks that nelson1425/EfficientAD saves, each as a whole pickled Sequential.

Reading a file gives stand-ins. Each layer must be the one that nelson1425's `efficientad.py` builds
at this place; then its tensors are taken, and nothing else. The files lack the teacher's mean and
deviation and the quantiles of the maps; `measure_missing` measures these.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from takt_models.checkpoints.errors import CheckpointError, few
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.checkpoints.files.pickles import StandIn
from takt_models.checkpoints.files.weights import fill
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig, Size
from takt_models.efficientad.detector import EfficientAd
from takt_models.efficientad.statistics import set_map_quantiles, set_teacher_statistics

FRAMEWORK = "nelson1425"
REMEDY = "give the files as efficientad.py wrote them"
SIDE = 256
TRAIN_SHARE = 0.9
SPLIT_SEED = 42

Role = Literal["teacher", "student", "autoencoder"]
ROLES: tuple[Role, ...] = ("teacher", "student", "autoencoder")
_NETWORKS: tuple[tuple[Role, Size | None], ...] = (
    ("teacher", "small"),
    ("teacher", "medium"),
    ("student", "small"),
    ("student", "medium"),
    ("autoencoder", None),
)
_COMPARED: Mapping[str, tuple[str, ...]] = {
    "Conv2d": (
        *("in_channels", "out_channels", "kernel_size", "stride", "padding"),
        *("dilation", "groups", "padding_mode"),
    ),
    "Upsample": ("size", "scale_factor", "mode"),
    "AvgPool2d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
}
"""Attributes that change what a layer computes, by the class of the layer."""


@dataclass(frozen=True)
class NetworkFile:
    """One of the three files.

    Attributes:
        path: path of the file.
        role: role of its network.
        size: size of a teacher or student; None for the autoencoder.
        layers: layers of the network, in order.
    """

    path: Path
    role: Role
    size: Size | None
    layers: tuple[StandIn, ...]


def part_of(path: Path, content: object) -> NetworkFile | None:
    """The network that a file holds; None if it holds no Sequential.

    Raises:
        CheckpointError: the Sequential is none that nelson1425's `efficientad.py` builds.
    """
    if not isinstance(content, StandIn) or content.kind != "Sequential":
        return None
    layers = _children(content, path)
    for role, size in _NETWORKS:
        with torch.device("meta"):
            expected = _autoencoder() if size is None else _pdn(size, _channels(role))
        if len(expected) == len(layers) and all(map(_is_like, layers, expected)):
            return NetworkFile(path, role, size, layers)
    raise CheckpointError(
        f"{path} holds a Sequential of {len(layers)} layers that is none of nelson1425's networks "
        f"as efficientad.py builds them by default: {REMEDY}"
    )


def load(parts: Sequence[NetworkFile]) -> Checkpoint:
    """Makes the detector of the three files, whose statistics are still to be measured.

    Args:
        parts: the three files in any order.

    Raises:
        CheckpointError: a file is missing or there twice, or teacher and student differ in size.
    """
    by_role = _by_role(parts)
    sizes = {part.size for part in parts if part.size is not None}
    if len(sizes) > 1:
        raise CheckpointError(
            f"{by_role['teacher'].path} is {by_role['teacher'].size} but "
            f"{by_role['student'].path} is {by_role['student'].size}: give files of one training"
        )
    config = EfficientAdConfig(size=sizes.pop(), width=SIDE, height=SIDE, recipe="nelson1425")
    model = EfficientAd(config)
    for role, part in by_role.items():
        network = model.get_submodule(role)
        fill(network, _tensors(part), _names(part), part.path, REMEDY)
    return Checkpoint(
        model.eval(),
        framework=FRAMEWORK,
        recipe=InputRecipe(SIDE, SIDE, "pillow_bilinear", opened_by="pillow"),
        missing=("teacher statistics", "map quantiles"),
    )


def measure_missing(
    checkpoint: Checkpoint, pictures: Sequence[Path], read: Callable[[Path], Tensor]
) -> Checkpoint:
    """The checkpoint with the statistics that its files lack.

    As nelson1425's `efficientad.py` does on a data set of MVTec AD's layout, this sorts the
    pictures; nine tenths of them, drawn with the seed 42, give the teacher's mean and deviation,
    and the rest give the quantiles.

    Args:
        checkpoint: checkpoint, which stays as it is; one that lacks nothing is returned itself.
        pictures: all good pictures of the training; the split depends on it.
        read: reads a picture as the model's input, RGB [1,3,256,256] in [0,1], resized by
            Pillow's bilinear filter.

    Raises:
        CheckpointError: there are fewer than two pictures.
        FlatStatisticsError: the pictures are too alike.
    """
    if not checkpoint.missing:
        return checkpoint
    if len(pictures) < 2:
        raise CheckpointError(
            f"a {FRAMEWORK} checkpoint lacks {' and '.join(checkpoint.missing)}, and measuring "
            f"them takes at least two good pictures, not {len(pictures)}: give the folder of the "
            "good pictures that it was trained on"
        )
    ordered = sorted(pictures, key=lambda path: (str(path.parent), path.name))
    train_count = int(TRAIN_SHARE * len(ordered))
    drawn = torch.randperm(len(ordered), generator=torch.Generator().manual_seed(SPLIT_SEED))
    shuffled = [ordered[index] for index in drawn.tolist()]
    model = copy.deepcopy(checkpoint.model)
    assert isinstance(model, EfficientAd)
    set_teacher_statistics(model, map(read, shuffled[:train_count]))
    set_map_quantiles(model, map(read, shuffled[train_count:]))
    seen = tuple(dict.fromkeys(map(picture_digest, ordered)))
    return replace(checkpoint, model=model, seen=seen, missing=())


def _by_role(parts: Sequence[NetworkFile]) -> dict[Role, NetworkFile]:
    missing = [role for role in ROLES if role not in {part.role for part in parts}]
    if missing:
        raise CheckpointError(
            f"{few(str(part.path) for part in parts)}: the {' and the '.join(missing)} of the same "
            f"training {'is' if len(missing) == 1 else 'are'} missing: give "
            f"{', '.join(f'{role}_final.pth' for role in ROLES)} together"
        )
    if len(parts) > len(ROLES):
        raise CheckpointError(
            f"{few(str(part.path) for part in parts)} are more than one teacher, one student and "
            "one autoencoder: give those of one training"
        )
    return {part.role: part for part in parts}


def _children(sequential: StandIn, path: Path) -> tuple[StandIn, ...]:
    children = sequential.get("_modules")
    numbered = isinstance(children, dict) and list(children) == [
        str(index) for index in range(len(children))
    ]
    if not numbered or not all(isinstance(child, StandIn) for child in children.values()):
        raise CheckpointError(f"{path} holds a Sequential without plain layers: {REMEDY}")
    return tuple(children.values())


def _tensors(part: NetworkFile) -> dict[str, Any]:
    """The tensors of a network by the names of its own state dict."""
    return {
        f"{index}.{name}": tensor
        for index, layer in enumerate(part.layers)
        for name, tensor in _parameters(layer).items()
    }


def _parameters(layer: StandIn) -> Mapping[str, Any]:
    parameters = layer.get("_parameters")
    return parameters if isinstance(parameters, Mapping) else {}


def _names(part: NetworkFile) -> dict[str, str]:
    """Our names of a network's tensors, with those of its own state dict."""
    convolutions = [index for index, layer in enumerate(part.layers) if layer.kind == "Conv2d"]
    if part.role == "autoencoder":
        ours = [f"encoder.enconv{n}" for n in range(1, 7)]
        ours += [f"decoder.deconv{n}" for n in range(1, 9)]
    else:
        ours = [f"conv{n}" for n in range(1, len(convolutions) + 1)]
    return {
        f"{name}.{kind}": f"{index}.{kind}"
        for name, index in zip(ours, convolutions, strict=True)
        for kind in ("weight", "bias")
    }


def _is_like(layer: StandIn, expected: nn.Module) -> bool:
    kind = type(expected).__name__
    wanted = [getattr(expected, name) for name in _COMPARED.get(kind, ())]
    found = [layer.get(name) for name in _COMPARED.get(kind, ())]
    same_types = [*map(type, found)] == [*map(type, wanted)]
    return layer.kind == kind and same_types and found == wanted


def _channels(role: Role) -> int:
    return TEACHER_CHANNELS if role == "teacher" else 2 * TEACHER_CHANNELS


def _pdn(size: Size, channels: int) -> list[nn.Module]:
    relu, pool = nn.ReLU(), nn.AvgPool2d(2, 2)
    if size == "small":
        return [
            *(nn.Conv2d(3, 128, 4), relu, pool, nn.Conv2d(128, 256, 4), relu, pool),
            *(nn.Conv2d(256, 256, 3), relu, nn.Conv2d(256, channels, 4)),
        ]
    return [
        *(nn.Conv2d(3, 256, 4), relu, pool, nn.Conv2d(256, 512, 4), relu, pool),
        *(nn.Conv2d(512, 512, 1), relu, nn.Conv2d(512, 512, 3), relu),
        *(nn.Conv2d(512, channels, 4), relu, nn.Conv2d(channels, channels, 1)),
    ]


def _autoencoder() -> list[nn.Module]:
    relu, dropout = nn.ReLU(), nn.Dropout()
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), relu]
    layers.append(nn.Conv2d(64, 64, 8))
    for side in (3, 8, 15, 32, 63, 127):
        layers += [_upsample(side), nn.Conv2d(64, 64, 4, padding=2), relu, dropout]
    layers += [_upsample(56), nn.Conv2d(64, 64, 3, padding=1), relu]
    return [*layers, nn.Conv2d(64, TEACHER_CHANNELS, 3, padding=1)]


def _upsample(side: int) -> nn.Module:
    return nn.Upsample(side, mode="bilinear")
