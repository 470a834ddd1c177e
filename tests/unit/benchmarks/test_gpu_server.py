import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.gpu_server import main


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), np.full((40, 40, 3), 90, np.uint8))
    return folder


def measure(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: object) -> dict:
    """What `python -m benchmarks.gpu_server` leaves in its file."""
    words = ["gpu_server", *map(str, arguments), "--json", str(out), "--seconds", "0.2"]
    monkeypatch.setattr("sys.argv", words)
    main()
    return json.loads(out.read_text())


def test_an_engine_that_cannot_run_here_is_named_and_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: Path, bundle
) -> None:
    with pytest.raises(SystemExit):
        measure(
            monkeypatch,
            tmp_path / "out.json",
            *(bundle.path, "--images", images, "--engines", "openvino-int8"),
        )
    found = json.loads((tmp_path / "out.json").read_text())
    (left_out,) = found["left_out"]
    assert left_out["what"] == "parts by openvino-int8"
    assert not found["engines"]
