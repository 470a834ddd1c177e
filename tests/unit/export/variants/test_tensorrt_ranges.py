import json
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt_export.variants.tensorrt_ranges import write_ranges


def test_the_table_holds_the_largest_absolute_value_of_each_tensor(
    bundle: Bundle, tmp_path: Path
) -> None:
    images = [np.full((32, 32, 3), level, np.uint8) for level in (40, 200, 10)]
    folder = tmp_path / "cache"
    folder.mkdir()
    table = write_ranges(bundle.model_path, images, folder)
    assert table.stat().st_size > 0
    lines = (folder / "calibration.cache").read_text().splitlines()
    ranges = {name: float(value) for name, value in (line.split() for line in lines)}
    assert ranges["mean"] == pytest.approx(200)
    assert ranges["anomaly_map"] == pytest.approx(200 / 255)
    assert ranges["score"] == pytest.approx(200 / 255)
    assert json.loads((folder / "calibration.json").read_text())
