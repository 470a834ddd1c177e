from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.pictures.placement import Placement, placement
from takt_export.evaluation.pixels import compare


def whole(width: int, height: int) -> Placement:
    """A model that sees all of a picture."""
    return placement(Preprocess(width=32, height=32, resize="area"), width, height)


def test_map_and_mask_are_brought_to_one_size_as_torch_does() -> None:
    rng = np.random.default_rng(0)
    anomaly_map = rng.normal(size=(14, 20)).astype(np.float32)
    mask = rng.random((90, 130)) < 0.1
    found = compare(anomaly_map, mask, whole(130, 90), 64)
    bilinear = functional.interpolate(
        torch.from_numpy(anomaly_map)[None, None], (64, 64), mode="bilinear"
    )
    assert np.allclose(found.anomaly_map, bilinear[0, 0].numpy(), atol=1e-5)
    nearest = functional.interpolate(
        torch.from_numpy(mask)[None, None].float(), (64, 64), mode="nearest-exact"
    )
    assert np.array_equal(found.defective, nearest[0, 0].numpy() > 0)


def test_a_map_of_the_size_of_the_comparison_stays_as_it_is() -> None:
    anomaly_map = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    found = compare(anomaly_map, np.zeros((10, 10), np.bool_), whole(10, 10), 64)
    assert np.array_equal(found.anomaly_map, anomaly_map)


def test_at_the_picture_s_own_size_the_mask_stays_as_it_is() -> None:
    mask = np.random.default_rng(0).random((21, 33)) < 0.2
    found = compare(np.zeros((8, 8), np.float32), mask, whole(33, 21), 0)
    assert np.array_equal(found.defective, mask)
    assert found.anomaly_map.shape == (21, 33)
    assert found.lost == 0


def test_a_mask_keeps_its_share_of_the_picture() -> None:
    mask = np.zeros((1000, 1000), np.bool_)
    mask[300:400, 500:700] = True
    defective = compare(np.zeros((28, 28), np.float32), mask, whole(1000, 1000), 256).defective
    assert defective.mean() == pytest.approx(mask.mean(), rel=0.05)


def test_regions_between_the_samples_are_counted_as_lost() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[5, 5] = mask[4, 50] = True  # of every ten pixels the sixth is taken
    mask[70:90, 70:90] = True
    found = compare(np.zeros((4, 4), np.float32), mask, whole(100, 100), 10)
    assert found.lost == 1
    assert found.defective[0, 0]
    assert found.defective.sum() == 1 + 4


@pytest.mark.parametrize("side", [0, 16])
def test_only_what_the_model_sees_is_compared(side: int) -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[:10] = True
    crop = Crop(x=0, y=10, width=40, height=30)
    below = placement(Preprocess(width=40, height=40, resize="area", crop=crop), 40, 40)
    found = compare(np.zeros((3, 4), np.float32), mask, below, side)
    assert not found.defective.any()
    assert found.lost == 1
    mask[10:, 20:] = True
    found = compare(np.zeros((3, 4), np.float32), mask, below, side)
    half = found.defective.shape[1] // 2
    assert found.defective[:, half:].all()
    assert not found.defective[:, :half].any()


def test_what_lies_outside_of_the_region_of_interest_is_neither_sound_nor_defective() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[0, 0] = mask[3:5, 3:5] = True

    def lower_right(size: tuple[int, int]) -> NDArray[np.bool_]:
        inside = np.zeros(size, np.bool_)
        inside[size[0] // 2 :, size[1] // 2 :] = True
        return inside

    found = compare(np.zeros((4, 4), np.float32), mask, whole(8, 8), 0, lower_right)
    assert np.argwhere(found.defective).tolist() == [[4, 4]]
    assert found.sound.sum() == 15
    assert not (found.sound | found.defective)[:4].any()
    assert found.lost == 1


def test_with_a_crop_each_sample_is_the_pixel_at_its_centre() -> None:
    crop = Crop(x=28, y=28, width=392, height=392)
    spec = Preprocess(width=448, height=448, resize="area", crop=crop)
    size, side = 600, 28
    placed = placement(spec, size, size)
    centres = [(28 + Fraction(392 * (2 * k + 1), 2 * side)) / 448 * size for k in range(side)]
    for pixel in range(0, size, 5):
        mask = np.zeros((size, size), np.bool_)
        mask[pixel] = True
        marked = compare(np.zeros((4, 4), np.float32), mask, placed, side).defective.any(axis=1)
        assert marked.tolist() == [int(centre) == pixel for centre in centres]
