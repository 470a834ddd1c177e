from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from models.patchcore.bank import LEAST_DISTANCE
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig((5, 7), width=64, height=32)


@pytest.fixture(scope="module")
def model() -> PatchCore:
    torch.manual_seed(0)
    model = a_patchcore(CONFIG)
    with torch.no_grad():
        layers = model.embed(model.normalize(torch.rand(4, 3, 32, 64)))
        for bank, features in zip(model.banks, layers, strict=True):
            raw = features.flatten(0, 1)
            bank.mean.copy_(raw.mean(0))
            bank.std.copy_(raw.std(0))
            bank.vectors.copy_(bank.standardize(raw)[::3][: len(bank.vectors)])
    return model


def cells_of(model: PatchCore, images: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        layers = model.embed(model.normalize(images))
        return [bank.standardize(raw) for bank, raw in zip(model.banks, layers, strict=True)]


def test_the_map_is_the_mean_over_layers_of_the_distance_to_the_nearest_vector(
    model: PatchCore,
) -> None:
    images = torch.rand(2, 3, 32, 64)
    anomaly_map, _ = model(images)
    fine, coarse = (
        torch.cdist(cells, bank.vectors.expand(2, -1, -1)).amin(-1) / cells.shape[-1] ** 0.5
        for bank, cells in zip(model.banks, cells_of(model, images), strict=True)
    )
    enlarged = F.interpolate(coarse.view(2, 1, 2, 4), (4, 8), mode="bilinear")
    expected = (fine.view(2, 4, 8) + enlarged[:, 0]) / 2
    torch.testing.assert_close(anomaly_map, expected, rtol=1e-4, atol=1e-5)
    assert anomaly_map.shape == (2, *model.map_size) == (2, 4, 8)


def test_a_cell_that_lies_in_the_bank_has_the_least_distance(model: PatchCore) -> None:
    for bank, cells in zip(model.banks, cells_of(model, torch.rand(1, 3, 32, 64)), strict=True):
        distances = bank.distance(cells, cells[0, :5])
        torch.testing.assert_close(distances[0, :5], torch.full((5,), LEAST_DISTANCE))
        assert distances.min() >= model.lowest - 1e-7


def test_the_score_only_falls_as_vectors_are_added(model: PatchCore) -> None:
    layers = [*zip(model.banks, cells_of(model, torch.rand(3, 3, 32, 64)), strict=True)]
    few = model.fuse([bank.distance(cells, bank.vectors[:2]) for bank, cells in layers])
    more = model.fuse([bank.distance(cells) for bank, cells in layers])
    lower, higher = (model.score_of(one.flatten(1)) for one in (more, few))
    assert (lower <= higher * (1 + 1e-6)).all()
    assert (lower < higher).any()


def test_the_score_is_the_power_mean_of_the_map(model: PatchCore) -> None:
    values = torch.rand(2, 300, dtype=torch.float64) + 0.1
    torch.testing.assert_close(model.score_of(values), values.pow(10).mean(1) ** (1 / 10))
    assert model.score_of(torch.full((1, 9), 3.0)).item() == pytest.approx(3.0)


def test_one_cell_far_from_the_bank_raises_the_score_of_a_thousand(model: PatchCore) -> None:
    values = torch.ones(2, 1000)
    values[1, 7] = 4.0
    usual, anomalous = model.score_of(values).tolist()
    assert anomalous > 1.5 * usual


def test_the_grid_is_that_of_the_finest_layer() -> None:
    assert PatchCore(PatchCoreConfig((4, 4), 64, 32, layers=(2, 7))).map_size == (8, 16)
    assert PatchCore(PatchCoreConfig((4,), 64, 32, layers=(10,))).map_size == (2, 4)


def test_dinov2_compares_directions_of_tokens() -> None:
    torch.manual_seed(0)
    config = PatchCoreConfig(
        (4,), 28, 28, encoder="dinov2", layers=(1,), embed_dim=16, encoder_heads=2
    )
    model = PatchCore(config).eval()
    (cells,) = cells_of(model, torch.rand(1, 3, 28, 28))
    torch.testing.assert_close(cells.norm(dim=-1), torch.ones(1, 4))
    assert model.map_size == (2, 2)
