"""What a training saw of a file, by the libraries that trainings use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from export.bundling.drift.compare import opened_as_trained
from export.errors import PicturesError
from export.pictures import read_picture
from service.bundles.manifest import Preprocess

BY_PILLOW = Preprocess(
    width=32, height=32, resize="tensor_bilinear", orientation="ignore", depth="pillow"
)
BY_TAKT = Preprocess(width=32, height=32, resize="area")


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A wide picture whose file says that it stands upright when turned."""
    levels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(levels).resize((80, 40))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    return tmp_path / "turned.jpg"


def test_a_training_with_pillow_saw_a_turned_picture_as_it_is_stored(turned: Path) -> None:
    opened = opened_as_trained(turned, BY_PILLOW)

    assert opened.shape == (40, 80, 3)
    np.testing.assert_array_equal(opened, np.asarray(PIL.Image.open(turned).convert("RGB")))


def test_the_service_opens_a_file_as_pillow_does_to_the_level(turned: Path) -> None:
    served = read_picture(turned, BY_PILLOW)

    np.testing.assert_array_equal(served, opened_as_trained(turned, BY_PILLOW))


def test_a_fit_of_ours_saw_it_upright(turned: Path) -> None:
    assert opened_as_trained(turned, BY_TAKT).shape == (80, 40, 3)


def test_a_file_that_pillow_cannot_open_is_named(tmp_path: Path) -> None:
    (tmp_path / "part.png").write_bytes(b"no picture")

    with pytest.raises(PicturesError, match=r"part\.png"):
        opened_as_trained(tmp_path / "part.png", BY_PILLOW)
