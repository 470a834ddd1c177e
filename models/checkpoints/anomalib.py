"""The `.ckpt` files of anomalib's EfficientAd (1.0 to 2.7) and InpFormer (2.5 to 2.7)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoints.anomalib_file import FRAMEWORK, AnomalibFile, state_of
from models.checkpoints.errors import CheckpointError, few
from models.checkpoints.facts import Centre, Checkpoint, InputRecipe
from models.checkpoints.files.pickles import value_of
from models.checkpoints.files.weights import copied, fill, scalar
from models.checkpoints.preprocessing import Normalisation, Preparation
from models.checkpoints.statistics_check import check_statistics
from models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from models.efficientad.config import EfficientAdConfig
from models.efficientad.detector import EfficientAd
from models.inpformer.config import PATCH, Blocks
from models.inpformer.positions import Grid, official_positions
from models.inpformer.weights import ANOMALIB, InpFormerWeightsError, from_state

REMEDY = "save it again with anomalib, or train again"
UNFINISHED = "its training ended too early, let it go on until a validation is through"

EFFICIENTAD_DEFAULT = Preparation(InputRecipe(256, 256, "tensor_bilinear"))
INPFORMER_DEFAULT = Preparation(
    InputRecipe(448, 448, "tensor_bilinear", Centre(392, 392)),
    Normalisation(IMAGENET_MEAN, IMAGENET_STD),
)

QUANTILES = ("qa_st", "qb_st", "qa_ae", "qb_ae")


def is_efficientad(content: object) -> bool:
    """Whether content is a Lightning checkpoint with teacher, student and autoencoder."""
    names = state_of(content).keys()
    return all(
        any(name.startswith(f"model.{part}.") for name in names)
        for part in ("teacher", "student", "ae")
    )


def is_inpformer(content: object) -> bool:
    """Whether content is a Lightning checkpoint with learned tokens for prototypes."""
    return any(name.startswith("model.prototype_token") for name in state_of(content))


def load_efficientad(path: Path, content: object) -> Checkpoint:
    """Makes an EfficientAD of a file's content.

    Raises:
        CheckpointError: tensors do not fit, statistics were never set, or the service cannot
            prepare pictures as the training did.
    """
    file = AnomalibFile(path, content)
    preparation = file.preparation(EFFICIENTAD_DEFAULT)
    model = EfficientAd(_efficientad_config(file, preparation))
    names = {ours: _name_in_anomalib(ours) for ours in model.state_dict()}
    fill(model, _with_joined_quantiles(file), names, path, REMEDY)
    check_statistics(model, path, UNFINISHED)
    if preparation.normalisation is not None:
        _normalise_before(model, preparation.normalisation)
    return _checkpoint(file, model.eval(), preparation)


def load_inpformer(path: Path, content: object) -> Checkpoint:
    """Makes an INP-Former of a file's content.

    Raises:
        CheckpointError: tensors do not fit, or the service cannot prepare pictures as the
            training did.
    """
    file = AnomalibFile(path, content)
    preparation = file.preparation(INPFORMER_DEFAULT)
    _check_inpformer(file, preparation)
    height, width = preparation.size
    if height != width:
        raise CheckpointError(
            f"{path} was trained on {width} x {height} pixels, and anomalib's INP-Former takes "
            "squares: train on such"
        )
    layers = file.hyper.get("target_layers")
    try:
        model = from_state(
            _with_encoder_of_timm(copied(file.state, path, REMEDY), (height // PATCH,) * 2),
            ANOMALIB,
            target_blocks=None if layers is None else _blocks(layers, file, "target_layers"),
            encoder_groups=_groups(file, "fuse_layer_encoder"),
            decoder_groups=_groups(file, "fuse_layer_decoder"),
            width=width,
            height=height,
        )
    except InpFormerWeightsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return _checkpoint(file, model, preparation)


def _checkpoint(file: AnomalibFile, model: Detector, preparation: Preparation) -> Checkpoint:
    return Checkpoint(
        model,
        framework=FRAMEWORK,
        recipe=preparation.recipe,
        made_with=file.made_with,
        thresholds=file.thresholds(),
        assumptions=tuple(file.assumptions),
    )


def _efficientad_config(file: AnomalibFile, preparation: Preparation) -> EfficientAdConfig:
    height, width = preparation.size
    try:
        return EfficientAdConfig(
            size="medium" if "teacher.conv5.weight" in file.state else "small",
            width=width,
            height=height,
            padding=file.flag("padding", default=False),
            pad_maps=file.flag("pad_maps", default=True),
            recipe="anomalib",
        )
    except ValueError as error:
        raise CheckpointError(
            f"{file.path} was trained on pictures of a size that Takt's EfficientAD does not take "
            f"({error}): train at another"
        ) from error


def _name_in_anomalib(ours: str) -> str:
    """Anomalib's name, without `model.`, of one of our tensors."""
    names = {"teacher_mean": "mean_std.mean", "teacher_std": "mean_std.std"}
    return names.get(ours) or re.sub(r"^autoencoder\.", "ae.", ours)


def _with_joined_quantiles(file: AnomalibFile) -> dict[str, object]:
    """The state with the four quantiles joined to one tensor."""
    state = dict(file.state)
    names = [f"quantiles.{name}" for name in QUANTILES]
    numbers = [scalar(state.pop(name, None)) for name in names]
    if missing := [n for n, number in zip(names, numbers, strict=True) if number is None]:
        raise CheckpointError(
            f"{file.path} does not hold all quantiles of its maps (missing: {few(missing)}): "
            f"{REMEDY}"
        )
    state["quantiles"] = torch.tensor(numbers)
    return state


def _normalise_before(model: EfficientAd, first: Normalisation) -> None:
    """Makes the model also do a normalisation that came before its own.

    anomalib 1.0 normalised twice, once among its transforms. With m, s of the model and m', s' of
    the first normalisation, ((x - m') / s' - m) / s = (x - (m' + s' m)) / (s' s).
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (first.mean, first.std))
    model.pixel_mean.copy_(mean + std * model.pixel_mean)
    model.pixel_std.mul_(std)


def _with_encoder_of_timm(state: dict[str, Tensor], grid: Grid) -> dict[str, Tensor]:
    """The state with the encoder of anomalib 2.5.0, which was DINOv2's own, in the form of 2.5.1.

    DINOv2's code adds the first position to the class token, and resizes the others in its own
    way; this function does both once.
    """
    positions = state.get("encoder.pos_embed")
    if positions is None or positions.ndim != 3 or "encoder.cls_token" not in state:
        return state
    encoder = {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}
    converted = {name: tensor for name, tensor in state.items() if name not in encoder}
    encoder["encoder.cls_token"] = encoder["encoder.cls_token"] + positions[:, :1]
    encoder["encoder.pos_embed"] = official_positions(positions[:, 1:], grid)
    encoder.pop("encoder.mask_token", None)
    for name, tensor in encoder.items():
        inner = name.removeprefix("encoder.").replace("register_tokens", "reg_token")
        converted[f"encoder.feature_extractor.{inner}"] = tensor
    return converted


def _check_inpformer(file: AnomalibFile, preparation: Preparation) -> None:
    """Refuses settings that our INP-Former does not have."""
    if preparation.normalisation is None or not _is_imagenet(preparation.normalisation):
        raise CheckpointError(
            f"{file.path} was trained on pictures that were not normalised by ImageNet's mean and "
            "deviation, as INP-Former's encoder needs them: train with Normalize(mean="
            f"{list(IMAGENET_MEAN)}, std={list(IMAGENET_STD)})"
        )
    if not file.flag("remove_class_token", default=True):
        raise CheckpointError(
            f"{file.path} was trained with remove_class_token=False, which leaves no square of "
            "patches for a map: train with True"
        )
    if str(value_of(file.hyper.get("precision"))).lower() == "float16":
        file.assumptions.append(
            "trained and answered in bfloat16; Takt reads the same weights in float32, so that "
            "scores differ by bfloat16's rounding"
        )


def _is_imagenet(normalisation: Normalisation) -> bool:
    pairs = zip(normalisation.mean + normalisation.std, IMAGENET_MEAN + IMAGENET_STD, strict=True)
    return all(math.isclose(theirs, ours, abs_tol=1e-6) for theirs, ours in pairs)


def _groups(file: AnomalibFile, name: str) -> tuple[Blocks, ...] | None:
    """The groups of blocks in a hyper-parameter; None for the default."""
    groups = file.hyper.get(name)
    if groups is None:
        return None
    given = groups if isinstance(groups, (list, tuple)) else [groups]
    return tuple(_blocks(group, file, name) for group in given)


def _blocks(value: object, file: AnomalibFile, name: str) -> Blocks:
    if not isinstance(value, (list, tuple)) or any(type(one) is not int for one in value):
        raise CheckpointError(f"{file.path}: {name} does not name blocks by numbers: {REMEDY}")
    return tuple(value)
