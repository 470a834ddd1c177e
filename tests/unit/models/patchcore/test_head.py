import torch

from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.head import DefectHead
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(5, 5), width=64, height=32)


def taught(offset: float) -> PatchCore:
    """A model with a head of three directions, and the same without one beside it."""
    model = a_patchcore(CONFIG)
    head = DefectHead(3, sum(model.encoder.channels), model.grids[-1])
    generator = torch.Generator().manual_seed(1)
    head.directions.copy_(torch.randn(head.directions.shape, generator=generator))
    head.usual.copy_(torch.randn(head.usual.shape, generator=generator))
    head.spread.copy_(torch.rand(head.spread.shape, generator=generator) + 0.5)
    head.offset.fill_(offset)
    model.head = head
    return model.eval()


def images() -> torch.Tensor:
    return torch.rand(4, 3, 32, 64, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_a_head_can_only_raise_score_and_map() -> None:
    for offset in (-1e6, 0.0, 1e3):
        model = taught(offset)
        found_map, found = model(images())
        model.head = None
        bank_map, bank = model(images())
        assert bool((found >= bank).all())
        assert bool((found_map >= bank_map).all())
        if offset < 0:
            assert torch.equal(found, bank)
        if offset > 0:
            assert bool((found > bank + 100).all())


@torch.no_grad()
def test_the_highest_cell_says_what_the_score_says() -> None:
    model = taught(0.0)
    assert model.head is not None
    model.head.onto_map.copy_(torch.tensor([3.0, 2.0]))
    said = model.head(model.cells(model.embed(model.normalize(images()))))
    torch.testing.assert_close(said.cells.amax((1, 2)), 3 + 2 * said.score)


@torch.no_grad()
def test_cells_are_the_standardised_features_of_all_layers_on_the_coarsest_grid() -> None:
    model = a_patchcore(CONFIG)
    layers = model.embed(model.normalize(images()))
    cells = model.cells(layers)
    assert cells.shape == (4, 2, 4, sum(model.encoder.channels))
    coarse = model.banks[1].standardize(layers[1]).unflatten(1, (2, 4))
    torch.testing.assert_close(cells[..., model.encoder.channels[0] :], coarse)
    fine = model.banks[0].standardize(layers[0]).unflatten(1, (4, 8))
    mean = fine[:, :2, :2].mean((1, 2))
    torch.testing.assert_close(cells[:, 0, 0, : model.encoder.channels[0]], mean)
