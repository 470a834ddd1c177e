"""What a training saw of a file, and how far a graph may be from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from takt.core.bundles.manifest import Drift, FileDrift, Preprocess
from takt_export.bundling.drift.compare import Compared, check_drift, opened_as_trained
from takt_export.errors import ExportError, PicturesError
from takt_export.pictures import read_picture

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


@pytest.mark.parametrize("drift", [(2e-4, 0.0), (0.0, 2e-4)])
def test_a_drift_above_what_is_allowed_is_refused(drift: tuple[float, float]) -> None:
    measured = Drift(pictures=5, score=drift[0], anomaly_map=drift[1])
    with pytest.raises(ExportError, match=r"^the graph .*0\.0002.*--allow-drift"):
        check_drift(Compared(measured, largest=0.5), 1e-4, as_trained=True)
    check_drift(Compared(measured, largest=0.5), 2e-4, as_trained=True)


@pytest.mark.parametrize("drift", [(2e-3, 0.0), (0.0, 2e-3)])
def test_what_is_allowed_is_a_part_of_answers_that_are_large(drift: tuple[float, float]) -> None:
    measured = Drift(pictures=5, score=drift[0], anomaly_map=drift[1])
    with pytest.raises(ExportError, match=r"^the graph .*0\.002.* 0\.0019 is allowed"):
        check_drift(Compared(measured, largest=19), 1e-4, as_trained=True)
    check_drift(Compared(measured, largest=21), 1e-4, as_trained=True)


def test_so_is_one_from_the_file_unless_another_way_to_the_input_was_chosen() -> None:
    whole = FileDrift(score=2e-4, anomaly_map=0)
    measured = Drift(pictures=5, score=0, anomaly_map=0, from_file=whole)
    with pytest.raises(ExportError, match=r"^pictures' files .*0\.0002.*--allow-drift"):
        check_drift(Compared(measured, largest=1), 1e-4, as_trained=True)
    check_drift(Compared(measured, largest=1), 1e-4, as_trained=False)
