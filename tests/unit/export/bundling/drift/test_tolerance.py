from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from takt.core.bundles.bundle import Golden
from takt.core.bundles.manifest import Drift
from takt_export.bundling.drift.tolerance import rounding_of, tolerance
from tests.conftest import brightness_graph

IMAGES = np.zeros((1, 2, 2, 3), np.uint8)
SCORE = np.ones(1, np.float32)
MAP = np.array([[[0.0, 0.25], [0.5, 1.0]]], np.float32)
GOLDEN = Golden(IMAGES, MAP, SCORE)


def drift(score: float = 0.0, anomaly_map: float = 0.0) -> Drift:
    return Drift(pictures=1, score=score, anomaly_map=anomaly_map)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (drift(), 1e-5),
        (drift(score=1e-6), 2e-5),
        (drift(anomaly_map=3e-6), 6e-5),
        (drift(score=1e-3), 0.01),  # a hundredth of the span
        (drift(score=0.02), 0.04),  # what was found must load
    ],
)
def test_it_comes_from_the_drift(found: Drift, expected: float) -> None:
    assert tolerance(GOLDEN, found) == pytest.approx(expected)


def test_large_answers_round_by_more() -> None:
    golden = Golden(IMAGES, 100 * MAP, 40 * SCORE)
    assert tolerance(golden, drift()) == pytest.approx(1e-3)


def test_small_answers_are_told_apart() -> None:
    golden = Golden(IMAGES, MAP / 1e5, SCORE / 1e5)
    assert tolerance(golden, drift()) == pytest.approx(1e-7)


def test_cells_that_do_not_count_change_nothing() -> None:
    inside = np.array([[True, True], [False, False]])
    golden = Golden(IMAGES, MAP * np.array([[1, 1], [1e6, 1e6]], np.float32), SCORE)
    assert tolerance(golden, drift(), inside=inside) == pytest.approx(1e-5)


def test_a_graph_without_drift_has_the_rounding_of_its_sums() -> None:
    assert tolerance(GOLDEN, drift(), rounding=2e-6) == pytest.approx(4e-5)


def test_the_rounding_is_what_the_runtime_s_rewriting_changes(tmp_path: Path) -> None:
    onnx.save(brightness_graph(2), tmp_path / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 2, 3), np.uint8)
    maps = (images.mean(axis=-1) / 255).astype(np.float32)
    moved = Golden(images, maps + np.float32(1e-3), maps.max(axis=(1, 2)))
    assert rounding_of(tmp_path / "model.onnx", moved) == pytest.approx(1e-3, rel=1e-3)
