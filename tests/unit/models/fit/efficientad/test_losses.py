from __future__ import annotations

import pytest
import torch

from takt_models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig, Size
from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import Compute
from takt_models.fit.efficientad.losses import (
    LOSSES,
    autoencoder_loss,
    first_half,
    hard_feature_loss,
    penalty_loss,
    step_losses,
    student_autoencoder_loss,
)

FLOAT32 = Compute(torch.device("cpu"), bf16=False)


@pytest.mark.parametrize(
    ("quantile", "expected"),
    [(0.0, (0 + 1 + 4 + 9 + 16) / 5), (0.5, (4 + 9 + 16) / 3), (0.6, (9 + 16) / 2), (1.0, 16.0)],
)
def test_the_hard_loss_is_the_mean_of_the_differences_from_the_quantile_up(
    quantile: float, expected: float
) -> None:
    student = torch.tensor([3.0, -1, 0, 4, 2])
    assert hard_feature_loss(torch.zeros(5), student, quantile).item() == pytest.approx(expected)


@pytest.mark.parametrize("quantile", [0.9, 0.95, 0.999])
def test_the_hard_loss_is_the_papers_equation(quantile: float) -> None:
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 1, 16, 13, 17)
    distance = (teacher - student).square()
    expected = distance[distance >= torch.quantile(distance, quantile)].mean()
    torch.testing.assert_close(hard_feature_loss(teacher, student, quantile), expected)


def test_the_hard_loss_moves_only_the_hard_features() -> None:
    student = torch.tensor([0.0, 3, 1, -4], requires_grad=True)
    torch.autograd.backward(hard_feature_loss(torch.zeros(4), student, 0.6))
    assert student.grad is not None
    assert student.grad.tolist() == [0, 3, 0, -4]


def test_the_other_losses_are_mean_squares() -> None:
    a, b = torch.tensor([1.0, 2]), torch.tensor([4.0, 0])
    assert penalty_loss(a).item() == pytest.approx((1 + 4) / 2)
    assert autoencoder_loss(a, b).item() == pytest.approx((9 + 4) / 2)
    assert student_autoencoder_loss(a, b).item() == pytest.approx((9 + 4) / 2)


def test_student_and_autoencoder_draw_each_other() -> None:
    autoencoder = torch.tensor([1.0, 2], requires_grad=True)
    student = torch.tensor([4.0, 0], requires_grad=True)
    torch.autograd.backward(student_autoencoder_loss(autoencoder, student))
    assert autoencoder.grad is not None
    assert student.grad is not None
    assert autoencoder.grad.tolist() == [-3, 2]
    assert student.grad.tolist() == [3, -2]


@torch.no_grad()
@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_first_half_is_that_of_the_whole_student(size: Size) -> None:
    torch.manual_seed(0)
    student, image = PDN(size, 2 * TEACHER_CHANNELS), torch.rand(1, 3, 37, 41)
    torch.testing.assert_close(first_half(student, image), student(image)[:, :TEACHER_CHANNELS])


def test_a_step_computes_each_loss_from_its_own_features() -> None:
    torch.manual_seed(0)
    model = EfficientAd(EfficientAdConfig()).eval()
    model.teacher_mean.normal_(std=0.1)
    model.teacher_std.uniform_(0.5, 2)
    good, other = torch.rand(1, 3, 256, 256), torch.rand(1, 3, 49, 49)
    losses = dict(zip(LOSSES, step_losses(model, good, other, 0.95, FLOAT32), strict=True))

    with torch.no_grad():
        x = model.normalize(good)
        raw = model.differences(x)
        silent = model.student(model.normalize(other))[:, :TEACHER_CHANNELS]
    torch.testing.assert_close(losses["stae"], raw.ae.mean())
    torch.testing.assert_close(losses["penalty"], silent.square().mean())
    assert losses["hard"] > 1.5 * raw.st.mean()
    with torch.no_grad():
        ae = (model.teach(x) - model.autoencoder(x)).square().mean()
    torch.testing.assert_close(losses["ae"], ae)


def test_without_another_picture_there_is_no_penalty() -> None:
    model = EfficientAd(EfficientAdConfig()).eval()
    losses = step_losses(model, torch.rand(1, 3, 256, 256), None, 0.9, FLOAT32)
    assert losses[LOSSES.index("penalty")].item() == 0
    assert losses.count_nonzero() == len(LOSSES) - 1
