from __future__ import annotations

import pytest
import torch
from torch import Tensor

from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import Differences, EfficientAd
from takt_models.efficientad.statistics import (
    FlatStatisticsError,
    set_map_quantiles,
    set_teacher_statistics,
)


@pytest.fixture
def model() -> EfficientAd:
    torch.manual_seed(0)
    return EfficientAd(EfficientAdConfig()).eval()


def noise(count: int, side: int = 49) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, 3, side, side, generator=generator) for _ in range(count)]


@torch.no_grad()
def test_the_teacher_is_normalised_over_all_pictures(model: EfficientAd) -> None:
    images = noise(3)
    set_teacher_statistics(model, iter(images))
    features = torch.cat([model.teach(model.normalize(image)) for image in images])
    mean, std = features.mean((0, 2, 3)), features.std((0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-4)
    torch.testing.assert_close(std, torch.ones_like(std), rtol=0, atol=1e-4)


def test_pictures_that_say_nothing_are_refused(model: EfficientAd) -> None:
    with pytest.raises(FlatStatisticsError, match="never varies"):
        set_teacher_statistics(model, [torch.zeros(1, 3, 33, 33)] * 2)


def test_the_quantiles_are_those_of_all_pixels(
    model: EfficientAd, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = torch.rand(2, 2, 1, 1, 56, 56, generator=torch.Generator().manual_seed(2))
    raw = iter(Differences(st, 5 * ae) for st, ae in maps)
    monkeypatch.setattr(model, "differences", lambda x: next(raw))
    monkeypatch.setattr(model, "quantile_maps", lambda differences: differences)
    set_map_quantiles(model, noise(2))
    expected = torch.cat(
        [
            torch.quantile(maps[:, 0], torch.tensor([0.9, 0.995])),
            torch.quantile(5 * maps[:, 1], torch.tensor([0.9, 0.995])),
        ]
    )
    torch.testing.assert_close(model.quantiles, expected)


def test_flat_maps_are_refused(model: EfficientAd, monkeypatch: pytest.MonkeyPatch) -> None:
    same = torch.ones(1, 1, 56, 56)
    monkeypatch.setattr(model, "differences", lambda x: Differences(same, same))
    monkeypatch.setattr(model, "quantile_maps", lambda differences: differences)
    with pytest.raises(FlatStatisticsError, match="flat"):
        set_map_quantiles(model, noise(1))
    assert model.quantiles.tolist() == [0, 1, 0, 1]
