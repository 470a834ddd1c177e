from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from takt.core.engines.layers import (
    NAMED_FROM,
    LayerError,
    first_failing,
    layer_errors,
    record_layers,
    recorded_errors,
)
from tests.branches import NODES, SIDE, write_branches


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_the_same_graph_differs_nowhere(tmp_path: Path, images: np.ndarray) -> None:
    path = write_branches(tmp_path / "a.onnx")
    errors = layer_errors(path, path, images)
    assert sorted(one.name for one in errors) == ["a.conv1", "a.conv2", "b.conv1", "b.conv2"]
    assert all(one.error == one.grown == 0 for one in errors)


@pytest.mark.parametrize("layer", ["a.conv1", "a.conv2", "b.conv1"])
def test_a_layer_with_a_wrong_scale_is_the_one_that_is_named(
    tmp_path: Path, images: np.ndarray, layer: str
) -> None:
    reference, wrong = (
        write_branches(tmp_path / "a.onnx"),
        write_branches(tmp_path / "b.onnx", {layer: 2.0}),
    )
    errors = {one.name: one for one in layer_errors(reference, wrong, images)}
    # Twice the output: the difference is the output itself, whose mean counts as well.
    assert errors[layer].error >= 1
    assert errors[layer].grown == errors[layer].error
    assert first_failing(tuple(errors.values()), 0.25) == (layer,)


def test_what_a_wrong_layer_feeds_is_wrong_and_not_blamed(
    tmp_path: Path, images: np.ndarray
) -> None:
    reference, wrong = (
        write_branches(tmp_path / "a.onnx"),
        write_branches(tmp_path / "b.onnx", {"a.conv1": 2.0}),
    )
    errors = {one.name: one for one in layer_errors(reference, wrong, images)}
    assert errors["a.conv2"].error > 0.25
    assert errors["a.conv2"].grown < 0.25
    assert errors["b.conv2"].error == 0


@pytest.mark.parametrize("layer", ["a.conv1", "b.conv2"])
@pytest.mark.parametrize("scale", [1.001, 1.1])
def test_a_record_of_the_layers_names_the_one_that_has_changed(
    tmp_path: Path, images: np.ndarray, layer: str, scale: float
) -> None:
    record = record_layers(write_branches(tmp_path / "a.onnx"), images[0], NODES)
    wrong = write_branches(tmp_path / "b.onnx", {layer: scale})
    errors = recorded_errors(record, wrong, images[0])
    assert first_failing(errors, NAMED_FROM["fp32"]) == (layer,)
    (found,) = [one.error for one in errors if one.name == layer]
    (exact,) = [
        one.error
        for one in layer_errors(tmp_path / "a.onnx", wrong, images[:1])
        if one.name == layer
    ]
    assert found == pytest.approx(exact, rel=0.5)


def test_a_record_finds_nothing_in_its_own_graph(tmp_path: Path, images: np.ndarray) -> None:
    path = write_branches(tmp_path / "a.onnx")
    errors = recorded_errors(record_layers(path, images[0], NODES), path, images[0])
    assert len(errors) == 4
    assert max(one.error for one in errors) < NAMED_FROM["fp32"] / 10


def test_where_no_layer_is_beyond_the_bound_those_that_grew_most_are_named() -> None:
    errors = [LayerError("n1", "a", 0.1, 0.1), LayerError("n2", "b", 0.3, 0.2)]
    assert first_failing(errors, 0.25) == ("b",)
    assert first_failing(errors, 0.15) == ("b",)
    assert first_failing([LayerError("n", "a", 0.0, 0.0)], 0.25) == ()
