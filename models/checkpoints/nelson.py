"""The three networks that nelson1425/EfficientAD saves, each as a whole pickled Sequential.

They come as stand-ins. Only tensors are taken out of them, after every layer was found to be what
`efficientad.py` builds, in its order. The teacher's mean and deviation and the quantiles of the
maps are not saved by it; `measure_missing` measures them again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from models.checkpoints.errors import CheckpointError, few
from models.checkpoints.facts import Checkpoint, InputRecipe
from models.checkpoints.files.pickles import StandIn
from models.checkpoints.files.weights import fill
from models.checkpoints.own import picture_digest
from models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig, Size
from models.efficientad.detector import EfficientAd
from models.efficientad.statistics import set_map_quantiles, set_teacher_statistics

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


@dataclass(frozen=True)
class Part:
    """One of the three files.

    Attributes:
        path: of the file.
        role: of the network in it.
        size: of teacher or student; None of the autoencoder.
        layers: the network's layers, in order.
    """

    path: Path
    role: Role
    size: Size | None
    layers: tuple[StandIn, ...]


@dataclass(frozen=True)
class _Layer:
    """What a layer must be: its class, and those attributes that change what it computes."""

    kind: str
    attributes: Mapping[str, object]

    def is_like(self, layer: StandIn) -> bool:
        return layer.kind == self.kind and all(
            type(layer.get(name)) is type(value) and layer.get(name) == value
            for name, value in self.attributes.items()
        )


def part_of(path: Path, content: object) -> Part | None:
    """Which of the three networks a file holds; None if it holds no Sequential.

    Raises:
        CheckpointError: it is a Sequential that `efficientad.py` does not build.
    """
    if not isinstance(content, StandIn) or content.kind != "Sequential":
        return None
    layers = _children(content, path)
    for role, size in _NETWORKS:
        expected = _autoencoder() if size is None else _pdn(size, _channels(role))
        if len(expected) == len(layers) and all(map(_Layer.is_like, expected, layers)):
            return Part(path, role, size, layers)
    raise CheckpointError(
        f"{path} holds a Sequential of {len(layers)} layers that is none of nelson1425's networks "
        f"as efficientad.py builds them by default: {REMEDY}"
    )


def load(parts: Sequence[Part]) -> Checkpoint:
    """The detector of the three files together, its statistics still to be measured.

    Args:
        parts: in any order.

    Raises:
        CheckpointError: one is missing or there twice, or teacher and student differ in size.
    """
    by_role = _by_role(parts)
    sizes = {part.size for part in parts if part.size is not None}
    if len(sizes) > 1:
        raise CheckpointError(
            f"{by_role['teacher'].path} is {by_role['teacher'].size} but "
            f"{by_role['student'].path} is {by_role['student'].size}: give files of one training"
        )
    config = EfficientAdConfig(size=sizes.pop(), image_size=SIDE, recipe="nelson1425")
    model = EfficientAd(config)
    for role, part in by_role.items():
        network = model.get_submodule(role)
        fill(network, _tensors(part), _names(part), part.path, REMEDY)
    return Checkpoint(
        model.eval(),
        framework=FRAMEWORK,
        recipe=InputRecipe(SIDE, SIDE, "pillow_bilinear"),
        missing=("teacher statistics", "map quantiles"),
    )


def measure_missing(
    checkpoint: Checkpoint, pictures: Sequence[Path], read: Callable[[Path], Tensor]
) -> Checkpoint:
    """The checkpoint with the statistics that its files lack.

    As in `efficientad.py` on a data set of MVTec AD's layout, the pictures are sorted, nine tenths
    of them drawn with the seed 42 give the teacher's mean and deviation, the rest the quantiles.

    Args:
        checkpoint: left as it is; returned itself if it lacks nothing.
        pictures: the good ones that it was trained on, all of them: the split depends on it.
        read: gives a picture as the model's input, RGB [1,3,256,256] in [0,1], resized by
            Pillow's bilinear filter.

    Raises:
        CheckpointError: there are fewer than two pictures.
        FlatStatisticsError: they are too alike to scale anything by them.
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


def _by_role(parts: Sequence[Part]) -> dict[Role, Part]:
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


def _tensors(part: Part) -> dict[str, Any]:
    """The tensors of a network, by the names of its own state dict."""
    return {
        f"{index}.{name}": tensor
        for index, layer in enumerate(part.layers)
        for name, tensor in _parameters(layer).items()
    }


def _parameters(layer: StandIn) -> Mapping[str, Any]:
    parameters = layer.get("_parameters")
    return parameters if isinstance(parameters, Mapping) else {}


def _names(part: Part) -> dict[str, str]:
    """Ours of a network's tensors, with those that its own state dict has."""
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


def _channels(role: Role) -> int:
    return TEACHER_CHANNELS if role == "teacher" else 2 * TEACHER_CHANNELS


def _pdn(size: Size, channels: int) -> list[_Layer]:
    if size == "small":
        last = [_conv(256, 256, 3), _RELU, _conv(256, channels, 4)]
        return [_conv(3, 128, 4), _RELU, _POOL, _conv(128, 256, 4), _RELU, _POOL, *last]
    return [
        *(_conv(3, 256, 4), _RELU, _POOL, _conv(256, 512, 4), _RELU, _POOL),
        *(_conv(512, 512, 1), _RELU, _conv(512, 512, 3), _RELU),
        *(_conv(512, channels, 4), _RELU, _conv(channels, channels, 1)),
    ]


def _autoencoder() -> list[_Layer]:
    layers = []
    for before, after in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
        layers += [_conv(before, after, 4, stride=2, padding=1), _RELU]
    layers.append(_conv(64, 64, 8))
    for side in (3, 8, 15, 32, 63, 127):
        layers += [_upsample(side), _conv(64, 64, 4, padding=2), _RELU, _Layer("Dropout", {})]
    layers += [_upsample(56), _conv(64, 64, 3, padding=1), _RELU]
    return [*layers, _conv(64, TEACHER_CHANNELS, 3, padding=1)]


def _conv(before: int, after: int, kernel: int, *, stride: int = 1, padding: int = 0) -> _Layer:
    return _Layer(
        "Conv2d",
        {
            "in_channels": before,
            "out_channels": after,
            "kernel_size": (kernel, kernel),
            "stride": (stride, stride),
            "padding": (padding, padding),
            "dilation": (1, 1),
            "groups": 1,
            "padding_mode": "zeros",
        },
    )


def _upsample(side: int) -> _Layer:
    return _Layer("Upsample", {"size": side, "scale_factor": None, "mode": "bilinear"})


_RELU = _Layer("ReLU", {})
_POOL = _Layer(
    "AvgPool2d",
    {"kernel_size": 2, "stride": 2, "padding": 0, "ceil_mode": False, "count_include_pad": True},
)
