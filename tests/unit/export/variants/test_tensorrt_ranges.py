import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.errors import PicturesError
from export.variants.tensorrt_ranges import TABLE, write_ranges
from service.bundles.bundle import Bundle


def write_flat(path: Path, level: int) -> Path:
    cv2.imwrite(str(path), np.full((32, 32, 3), level, np.uint8))
    return path


def test_the_table_holds_the_largest_absolute_value_of_each_tensor(
    bundle: Bundle, tmp_path: Path
) -> None:
    pictures = [write_flat(tmp_path / f"{level}.png", level) for level in (40, 200, 10)]
    folder = tmp_path / "cache"
    folder.mkdir()
    write_ranges(bundle.model_path, bundle.manifest, pictures, folder)
    assert (folder / TABLE).stat().st_size > 0
    lines = (folder / "calibration.cache").read_text().splitlines()
    ranges = {name: float(value) for name, value in (line.split() for line in lines)}
    assert ranges["mean"] == pytest.approx(200)
    assert ranges["anomaly_map"] == pytest.approx(200 / 255)
    assert ranges["score"] == pytest.approx(200 / 255)
    assert json.loads((folder / "calibration.json").read_text())


def test_a_picture_that_cannot_be_read_is_named(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PicturesError, match=r"broken\.png"):
        write_ranges(bundle.model_path, bundle.manifest, [tmp_path / "broken.png"], tmp_path)
