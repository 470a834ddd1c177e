"""The `.ckpt` files of anomalib's EfficientAd (1.0 to 2.7)."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from takt_models.checkpoints.anomalib.file import REMEDY, AnomalibFile, state_of
from takt_models.checkpoints.anomalib.preprocessing import Normalisation, Preparation
from takt_models.checkpoints.errors import CheckpointError, few
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.checkpoints.files.weights import fill, scalar
from takt_models.checkpoints.statistics_check import check_statistics
from takt_models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd

UNFINISHED = "its training ended too early, let it go on until a validation is through"
DEFAULT = Preparation(InputRecipe(256, 256, "tensor_bilinear", opened_by="pillow"))
MOST_CHANNELS = 4096
"""Most features of a patch that a file may claim, so that no small file takes much memory."""

QUANTILES = ("qa_st", "qb_st", "qa_ae", "qb_ae")


def is_efficientad(content: object) -> bool:
    """Whether content is a Lightning checkpoint with teacher, student and autoencoder."""
    names = state_of(content).keys()
    return all(
        any(name.startswith(f"model.{part}.") for name in names)
        for part in ("teacher", "student", "ae")
    )


def load_efficientad(path: Path, content: object) -> Checkpoint:
    """Makes an EfficientAD of a file's content.

    Raises:
        CheckpointError: tensors do not fit, statistics were never set, or the service cannot
            prepare pictures as the training did.
    """
    file = AnomalibFile(path, content)
    preparation = file.preparation(DEFAULT)
    model = EfficientAd(_config(file, preparation))
    names = {ours: _name_in_anomalib(ours) for ours in model.state_dict()}
    fill(model, _with_joined_quantiles(file), names, path, REMEDY)
    check_statistics(model, path, UNFINISHED)
    if preparation.normalisation is not None:
        _normalise_before(model, preparation.normalisation)
    return file.checkpoint(model.eval(), preparation)


def _config(file: AnomalibFile, preparation: Preparation) -> EfficientAdConfig:
    height, width = preparation.size
    try:
        return EfficientAdConfig(
            size="medium" if "teacher.conv5.weight" in file.state else "small",
            width=width,
            height=height,
            padding=file.flag("padding", default=False),
            pad_maps=file.flag("pad_maps", default=True),
            recipe="anomalib",
            teacher_channels=_teacher_channels(file),
        )
    except ValueError as error:
        raise CheckpointError(
            f"{file.path} was trained on pictures of a size that Takt's EfficientAD does not take "
            f"({error}): train at another"
        ) from error


def _teacher_channels(file: AnomalibFile) -> int:
    """The features of a patch, by the autoencoder's last bias; else the usual ones."""
    bias = file.state.get("ae.decoder.deconv8.bias")
    if isinstance(bias, Tensor) and bias.ndim == 1 and 1 <= len(bias) <= MOST_CHANNELS:
        return len(bias)
    return TEACHER_CHANNELS


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
