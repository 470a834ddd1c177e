import cv2
import numpy as np
import pytest

from takt_export.synthetic.part_mask import PartMask, estimate_part_mask


def disc_on(background: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a disc, and the disc."""
    rows, columns, _ = background.shape
    disc = np.zeros((rows, columns), np.uint8)
    cv2.circle(disc, (columns // 2, rows // 3), rows // 5, 1, -1)
    picture = np.where(disc[..., None] == 1, np.array(colour, np.uint8), background)
    return picture, disc.astype(bool)


@pytest.mark.parametrize("colour", [(20, 20, 30), (200, 120, 40), (255, 255, 255)])
@pytest.mark.parametrize("shape", [(90, 70), (700, 900)])
def test_a_part_on_an_even_background_is_found(
    shape: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    noise = np.random.default_rng(1).normal(110, 4, (*shape, 3)).astype(np.uint8)
    picture, disc = disc_on(noise, colour)
    found = estimate_part_mask(picture).mask
    assert found.shape == shape
    assert (found & disc).sum() / (found | disc).sum() > 0.85


def test_without_an_even_border_the_part_fills_the_picture() -> None:
    stripes = np.zeros((80, 100, 3), np.uint8)
    stripes[:, ::20] = stripes[:, 1::20] = stripes[:, 2::20] = stripes[:, 3::20] = 220
    stripes[:, 4::20] = stripes[:, 5::20] = stripes[:, 6::20] = stripes[:, 7::20] = 220
    assert estimate_part_mask(stripes).mask.all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (60, 80)])
def test_where_nothing_differs_the_part_fills_the_picture(shape: tuple[int, int]) -> None:
    assert estimate_part_mask(np.full((*shape, 3), 90, np.uint8)).mask.all()


def test_boxes_lie_in_the_picture_and_mostly_on_the_part() -> None:
    mask = np.zeros((60, 80), bool)
    mask[5:25, 50:75] = True
    part = PartMask(mask)
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        top, left = part.corner(8, 10, rng)
        box = mask[top : top + 8, left : left + 10]
        assert box.shape == (8, 10)
        shares.append(box.mean())
    assert np.mean(shares) > 0.6
    assert min(shares) > 0


def test_a_box_of_the_picture_s_size_and_an_empty_part_have_a_place_too() -> None:
    rng = np.random.default_rng(0)
    assert PartMask(np.ones((6, 9), bool)).corner(6, 9, rng) == (0, 0)
    top, left = PartMask(np.zeros((6, 9), bool)).corner(2, 3, rng)
    assert 0 <= top <= 4 and 0 <= left <= 6
