import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.gpu_server import BATCHES, CLIENTS, WORKERS, main
from benchmarks.random_bundle import make_bundle


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


@pytest.mark.slow
def test_a_model_of_random_weights_is_measured_alone_and_through_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: Path
) -> None:
    bundle = make_bundle("inpformer-micro", tmp_path / "models" / "inpformer-micro" / "1")
    found = measure(
        monkeypatch,
        tmp_path / "out.json",
        *(bundle.path, "--images", images, "--engines", "onnxruntime"),
    )
    assert [row["batch"] for row in found["engines"]] == list(BATCHES)
    asked = [(row["workers"], row["clients"]) for row in found["served"]]
    assert asked == [*((1, clients) for clients in CLIENTS), (WORKERS, CLIENTS[-1])]
    assert all(row["images_per_s"] > 0 for row in [*found["engines"], *found["served"]])
    assert not any(row["failed"] for row in found["served"])
    assert found["device"]


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
