from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from takt_models.resizing import TrainedResize, resized

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize("resize", ["pillow_bilinear", "tensor_bilinear", "tensor_bicubic"])
def test_a_picture_of_the_size_stays_as_it_is(resize: TrainedResize) -> None:
    np.testing.assert_array_equal(resized(PICTURE, 40, 30, resize), PICTURE)


@pytest.mark.parametrize(("width", "height"), [(7, 9), (80, 20)])
def test_floats_are_pillow_s_levels_before_rounding(width: int, height: int) -> None:
    channels = [
        np.asarray(
            Image.fromarray(PICTURE[..., channel].astype(np.float32)).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for channel in range(3)
    ]
    found = resized(PICTURE, width, height, "tensor_bilinear")
    np.testing.assert_allclose(found, np.stack(channels, -1), rtol=0, atol=1e-4)
    rounded = resized(PICTURE, width, height, "pillow_bilinear")
    assert np.abs(rounded - found).max() < 1.01
    assert (rounded == np.rint(rounded)).all()
