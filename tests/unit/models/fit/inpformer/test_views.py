from __future__ import annotations

import pytest
import torch

from takt_models.fit.inpformer.views import VIEWS, view

QUARTERS = {VIEWS - 3: 1, VIEWS - 2: 2, VIEWS - 1: 3}
"""Right angles by the number of the view."""


@pytest.mark.parametrize("number", range(VIEWS))
def test_a_view_has_the_size_of_its_picture(number: int) -> None:
    image = torch.rand(1, 3, 20, 48)
    assert view(image, number).shape == image.shape


@pytest.mark.parametrize(("number", "quarters"), QUARTERS.items())
def test_a_wide_picture_is_turned_about_its_middle(number: int, quarters: int) -> None:
    image = torch.rand(1, 3, 20, 48)
    middle = slice(14, 34)
    expected = torch.rot90(image[..., middle], quarters, (2, 3))
    torch.testing.assert_close(view(image, number)[..., middle], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("number", "quarters"), QUARTERS.items())
def test_a_square_picture_is_turned_without_sampling(number: int, quarters: int) -> None:
    image = torch.rand(1, 3, 24, 24)
    assert torch.equal(view(image, number), torch.rot90(image, quarters, (2, 3)))


def test_turning_keeps_a_wide_pictures_angles() -> None:
    """A blob on the axis of the picture stays as far from the middle when it is turned."""
    image = torch.zeros(1, 3, 64, 128)
    image[..., 30:34, 80:84] = 1
    middle = view(image, 1)[0, 0, 12:52, 44:84]
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    weight = middle.sum()
    row, column = ((middle * where).sum() / weight - 19.5 for where in (rows, columns))
    assert torch.hypot(row, column).item() == pytest.approx(18, abs=0.3)
    assert abs(row).item() == pytest.approx(abs(column).item(), abs=0.3)
