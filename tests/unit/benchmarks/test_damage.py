from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks import damage
from tests.branches import write_branches


def weights_of(graph: Path) -> dict[str, np.ndarray]:
    stored = onnx.load(graph).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in stored}


@pytest.fixture(autouse=True)
def _small_layers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "LEAST_WEIGHTS", 100)


@pytest.mark.parametrize(
    ("change", "changed", "largest"),
    [
        ("one weight 1 %", 1, 0.0101),
        ("two channels swapped", 54, 10.0),
        ("layer · 1.1", 108, 0.101),
    ],
)
def test_only_the_layer_of_the_part_is_damaged(
    tmp_path: Path, change: str, changed: int, largest: float
) -> None:
    graph = write_branches(tmp_path / "graph.onnx")
    before = weights_of(graph)
    assert damage.damaged(graph, 2, change) == "b.conv1"
    after = weights_of(graph)
    differing = {name: after[name] != before[name] for name in before}
    assert [name for name, cells in differing.items() if cells.any()] == ["model.b.conv1.weight"]
    was, now = before["model.b.conv1.weight"], after["model.b.conv1.weight"]
    assert differing["model.b.conv1.weight"].sum() == changed
    assert np.abs(now - was).max() <= largest * np.abs(was).max()


def test_a_row_says_what_was_noticed() -> None:
    row = damage.Row(
        graph="openvino-int8, int8",
        damage="layer · 1.1",
        layer="student.conv2",
        score=0.5,
        anomaly_map=0.25,
        bounds=damage.GoldenBounds(score=0.1, anomaly_map=0.2),
        refused=True,
        named="student.conv2",
        verified=True,
        verify_named="",
    )
    *_, line = damage.table([row])
    assert line == (
        "| openvino-int8, int8 | layer · 1.1 | student.conv2 | 5.0e-01 | 2.5e-01 "
        "| 1.0e-01 / 2.0e-01 | **refused**, begins at student.conv2 | served |"
    )
