from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from takt_models.patchcore.bank import LEAST_DISTANCE
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
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


def distances_of(model: PatchCore, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.distances(model.embed(model.normalize(images)))


def test_the_distance_is_that_to_the_nearest_vector_of_each_layer(model: PatchCore) -> None:
    images = torch.rand(2, 3, 32, 64)
    fine, coarse = (
        torch.cdist(cells, bank.vectors.expand(2, -1, -1)).amin(-1) / cells.shape[-1] ** 0.5
        for bank, cells in zip(model.banks, cells_of(model, images), strict=True)
    )
    enlarged = F.interpolate(coarse.view(2, 1, 2, 4), (4, 8), mode="bilinear")
    expected = torch.stack([fine.view(2, 4, 8), enlarged[:, 0]])
    torch.testing.assert_close(distances_of(model, images), expected, rtol=1e-4, atol=1e-5)


def test_the_map_is_the_mean_over_layers_of_deviations_from_what_is_usual_there(
    model: PatchCore,
) -> None:
    images = torch.rand(2, 3, 32, 64)
    places = deepcopy(model)
    places.usual.uniform_(0.5, 1)
    places.spread.uniform_(0.1, 2)

    anomaly_map, _ = places(images)

    fine, coarse = (
        (found - usual) / spread
        for found, usual, spread in zip(
            distances_of(model, images), places.usual, places.spread, strict=True
        )
    )
    torch.testing.assert_close(anomaly_map, (fine + coarse) / 2)
    assert anomaly_map.shape == (2, *model.map_size) == (2, 4, 8)


def test_a_cell_that_lies_in_the_bank_has_the_least_distance(model: PatchCore) -> None:
    for bank, cells in zip(model.banks, cells_of(model, torch.rand(1, 3, 32, 64)), strict=True):
        distances = bank.distance(cells, cells[0, :5])
        torch.testing.assert_close(distances[0, :5], torch.full((5,), LEAST_DISTANCE))


def test_no_map_has_a_value_below_the_lowest(model: PatchCore) -> None:
    known = deepcopy(model)
    known.usual.uniform_(0.5, 1)
    known.spread.uniform_(0.1, 2)
    least = torch.full((2, 1, *model.map_size), LEAST_DISTANCE)
    assert float(known.fuse(least).min()) == pytest.approx(known.lowest)
    with torch.no_grad():
        anomaly_map, _ = known(torch.rand(2, 3, 32, 64))
    assert float(anomaly_map.min()) >= known.lowest


def test_the_score_only_falls_as_vectors_are_added(model: PatchCore) -> None:
    layers = [*zip(model.banks, cells_of(model, torch.rand(3, 3, 32, 64)), strict=True)]
    few, more = (
        model.score_of(model.fuse(model.enlarge(near)).flatten(1))
        for near in (
            [bank.distance(cells, bank.vectors[:2]) for bank, cells in layers],
            [bank.distance(cells) for bank, cells in layers],
        )
    )
    assert (more <= few + 1e-6).all()
    assert (more < few).any()


@pytest.mark.parametrize("cells", [17, 300, 4096])
def test_the_score_is_the_mean_of_the_sixteen_highest_cells(model: PatchCore, cells: int) -> None:
    values = torch.rand(2, cells).sub(0.5)
    expected = values.sort(descending=True).values[:, :16].mean(1)
    torch.testing.assert_close(model.score_of(values), expected)


def test_of_fewer_cells_the_score_is_the_mean_of_all(model: PatchCore) -> None:
    values = torch.rand(2, 9).sub(0.5)
    torch.testing.assert_close(model.score_of(values), values.mean(1))


@pytest.mark.parametrize("cells", [400, 4096])
def test_a_defect_on_sixteen_cells_is_all_of_the_score(model: PatchCore, cells: int) -> None:
    values = torch.randn(2, cells, generator=torch.Generator().manual_seed(0))
    values[1, 70:86] = 12.0
    usual, anomalous = model.score_of(values).tolist()
    assert usual < 4
    assert anomalous == pytest.approx(12.0)


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
