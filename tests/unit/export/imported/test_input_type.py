"""Floats where the training resized floats, whole levels elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from takt_export.errors import ExportError
from takt_export.imported.preprocessing import InputOptions
from tests.unit.export.imported.small import import_small, open_quietly, small


def test_floats_reach_a_graph_of_floats_without_a_rounding(
    good: list[Path], tmp_path: Path
) -> None:
    source, _ = import_small(small(), good)
    assert (source.facts.preprocess.resize, source.facts.preprocess.input) == (
        "tensor_bilinear", "float32"
    )  # fmt: skip
    levels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    wanted = levels @ np.array([3, 2, 1]) / 255
    source.write_graph(tmp_path / "out.onnx", "float32")
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    anomaly_map, _ = session.run(["anomaly_map", "score"], {"images": levels})
    np.testing.assert_allclose(anomaly_map, wanted, rtol=0, atol=1e-5)
    assert "Cast" not in {node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node[:1]}


@pytest.mark.parametrize("resize", ["area", "pillow_bilinear", "linear"])
def test_a_training_of_8_bits_gives_8_bits(good: list[Path], resize: Any) -> None:
    path = good[0].parent.with_name("m.onnx")
    onnx.save(small(), path)
    source, _ = open_quietly(path, good, pictures=InputOptions(white=1, resize=resize))
    assert source.facts.preprocess.input == "uint8"


@pytest.mark.parametrize("described", ["uint8[N,3,8,8]", "float[N,1,8,8]"])
def test_a_graph_of_8_bits_or_of_grey_gets_whole_levels(
    good: list[Path], tmp_path: Path, described: str
) -> None:
    body = """
    f = Cast<to = 1>(x) map = ReduceMean<axes = [1], keepdims = 1>(f)
    p = GlobalMaxPool(map) score = Reshape(p, every)
    """
    model = small(body, described=described)
    path = good[0].parent.with_name("m.onnx")
    onnx.save(model, path)
    white = None if described.startswith("uint8") else 1
    source, _ = open_quietly(path, good, pictures=InputOptions(white=white))
    assert source.facts.preprocess.input == "uint8"
    with pytest.raises(ExportError, match="to which --input float32 adds nothing"):
        source.write_graph(tmp_path / "out.onnx", "float32")


@pytest.mark.parametrize(
    ("mode", "asked", "filter_"),
    [
        ("cubic", None, "tensor_bicubic"),
        ("cubic", "tensor_bilinear", "tensor_bilinear"),
        ("linear", None, "tensor_bilinear"),
    ],
)
def test_the_filter_of_the_training_follows_the_graph_s_own_resize(
    good: list[Path], mode: str, asked: Any, filter_: str
) -> None:
    body = f"""
    r = Resize<mode = "{mode}">(x, , , eight) map = Conv(r, kernel)
    p = GlobalMaxPool(map) score = Reshape(p, every)
    """
    model = small(body, described="float[N,3,H,W]")
    model.graph.initializer.append(onnx.helper.make_tensor("eight", 7, [4], [1, 3, 8, 8]))
    path = good[0].parent.with_name("m.onnx")
    onnx.save(model, path)
    source, told = open_quietly(path, good, pictures=InputOptions(white=1, resize=asked))
    spec = source.facts.preprocess
    assert (spec.resize, spec.input, spec.input_size) == (filter_, "float32", (8, 8))
    assert any("by cubics" in line for line in told) is (filter_ == "tensor_bicubic")


def test_a_graph_of_anomalib_takes_pictures_from_0_to_1_whatever_it_does_to_them(
    good: list[Path],
) -> None:
    body = """
    anomaly_map = Conv(x, kernel) p = GlobalMaxPool(anomaly_map) pred_score = Reshape(p, every)
    pred_label = Greater(pred_score, zero)
    """
    outputs = "float[N,1,8,8] anomaly_map, float[N] pred_score, bool[N] pred_label"
    path = good[0].parent.with_name("m.onnx")
    onnx.save(small(body, outputs=outputs), path)
    source, told = open_quietly(path, good)
    assert "anomalib's graphs take pictures from 0 to 1, and so does this one" in told
    assert source.facts.framework == "anomalib"
    assert source.answer(np.full((1, 8, 8, 3), 51, np.uint8)).score == pytest.approx([1.2])
