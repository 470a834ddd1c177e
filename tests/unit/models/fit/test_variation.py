from __future__ import annotations

import numpy as np
import pytest
import torch

from takt_models.fit.variation import ENOUGH, FEW, share_for, varied


def draws(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(number) for number in range(count)]


def halves() -> torch.Tensor:
    """Bright on the left, half as bright below."""
    image = torch.zeros(1, 3, 64, 64)
    image[..., :32] = 0.8
    image[..., 32:, :] *= 0.5
    return image


@pytest.mark.parametrize(
    ("count", "share"), [(1, 1), (FEW, 1), (ENOUGH, 0), (5000, 0), ((FEW + ENOUGH) // 2, 0.5)]
)
def test_the_fewer_pictures_the_more_of_them_are_varied(count: int, share: float) -> None:
    assert share_for(count) == pytest.approx(share, abs=0.01)


def test_every_way_of_mirroring_comes() -> None:
    corners = set()
    for draw in draws(40):
        image = varied(halves(), draw)[0, 0]
        values = [image[16, 16], image[16, 48], image[48, 16], image[48, 48]]
        corners.add(int(np.argmax(values)))
    assert corners == {0, 1, 2, 3}


def test_the_part_moves_and_changes_its_size_within_bounds() -> None:
    spot = torch.zeros(1, 1, 101, 101)
    spot[..., 40:61, 40:61] = 1
    areas, places = [], []
    for draw in draws(60):
        image = varied(spot.expand(1, 3, 101, 101), draw)[0, 0]
        areas.append(image.sum().item() / 21**2)
        rows, columns = torch.nonzero(image > 0.5, as_tuple=True)
        places += [rows.float().mean().item() - 50, columns.float().mean().item() - 50]
    assert 0.68 < min(areas) < 0.9 and 1.1 < max(areas) < 1.46
    assert 5 < max(map(abs, places)) < 0.1 * 101 * 1.2 + 1


def test_the_edges_reflect_so_that_nothing_blank_comes_in() -> None:
    for draw in draws(20):
        image = varied(torch.full((1, 3, 32, 32), 0.7), draw)
        torch.testing.assert_close(image, torch.full_like(image, 0.7))


def test_one_draw_gives_one_picture() -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = (varied(image, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, varied(image, np.random.default_rng(4)))
