"""The four terms of EfficientAD's loss (Batzner et al., arXiv 2303.14535, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import Compute

LOSSES = ("hard", "penalty", "ae", "stae")


def hard_feature_loss(teacher: Tensor, student: Tensor, quantile: float) -> Tensor:
    """L_hard = mean(D where D >= its `quantile`), D = (t̂ - s)²; both of one shape, float32.

    The quantile is linearly interpolated. The D above it are the largest ones, which a partial
    sort finds much sooner than the quantile itself.

    >>> student = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> hard_feature_loss(torch.zeros(5), student, quantile=0.75)
    tensor(20.5000)
    """
    distance = (teacher - student).square().flatten()
    count = distance.numel() - math.ceil(quantile * (distance.numel() - 1))
    return distance.topk(count, sorted=False).values.mean()


def penalty_loss(student: Tensor) -> Tensor:
    """L_P = mean(S(P)²), which keeps the student silent on pictures of another domain."""
    return student.square().mean()


def autoencoder_loss(teacher: Tensor, autoencoder: Tensor) -> Tensor:
    """L_AE = mean((t̂ - a)²)."""
    return F.mse_loss(autoencoder, teacher)


def student_autoencoder_loss(autoencoder: Tensor, student: Tensor) -> Tensor:
    """L_STAE = mean((a - s')²).

    As in the paper the gradient goes both ways: it also moves the autoencoder to the student.
    """
    return F.mse_loss(student, autoencoder)


def step_losses(
    model: EfficientAd, good: Tensor, other: Tensor | None, quantile: float, compute: Compute
) -> Tensor:
    """The four terms of one step's loss.

    Args:
        model: detector with its teacher's statistics set and its autoencoder in train mode.
        good: good picture, RGB [1,3,H,W] in [0,1].
        other: picture of another domain, RGB [1,3,P,P] in [0,1]; None leaves the penalty out.
        quantile: quantile above which differences count as hard.
        compute: precision of the forward passes.

    Returns:
        float32 [4] in the order of `LOSSES`; their sum is the loss.
    """
    x = _channels_last(model.normalize(good))
    with compute.autocast():
        with torch.no_grad():
            teacher = model.teach(x).float()
        of_teacher, of_autoencoder = model.student(x).float().chunk(2, dim=1)
        autoencoder = model.autoencoder(x).float()
        if other is None:
            penalty = torch.zeros((), device=x.device)
        else:
            features = first_half(model.student, _channels_last(model.normalize(other)))
            penalty = penalty_loss(features.float())
    hard = hard_feature_loss(teacher, of_teacher, quantile)
    ae = autoencoder_loss(teacher, autoencoder)
    stae = student_autoencoder_loss(autoencoder, of_autoencoder)
    return torch.stack([hard, penalty, ae, stae])


def first_half(student: PDN, x: Tensor) -> Tensor:
    """The first half of the channels of `student(x)`, at three quarters of the cost of all."""
    last = "conv4" if student.size == "small" else "conv6"
    parameters = student.get_submodule(last).named_parameters()
    halves = {f"{last}.{name}": value[: len(value) // 2] for name, value in parameters}
    features: Tensor = functional_call(student, halves, (x,))
    return features


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
