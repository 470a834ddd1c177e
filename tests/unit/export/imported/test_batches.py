"""Graphs of any number of pictures, of one, and of a fixed number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from takt.core.bundles.bundle import load_bundle
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.errors import ExportError
from tests.unit.export.imported.small import import_small, small


def test_a_graph_of_one_picture_becomes_one_of_any_number(good: list[Path], tmp_path: Path) -> None:
    source, _ = import_small(small(described="float[1,3,8,8]"), good)
    assert source.facts.max_batch_size is None
    source.write_graph(tmp_path / "out.onnx", "uint8")
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    anomaly_map, score = session.run(["anomaly_map", "score"], {"images": images})
    wanted = images @ np.array([3, 2, 1]) / 255
    np.testing.assert_allclose(anomaly_map, wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(score, wanted.max(axis=(1, 2)), rtol=0, atol=1e-5)


def test_a_graph_that_holds_on_to_one_picture_gets_one(good: list[Path]) -> None:
    body = """
    r = Reshape(x, one_of_1) map = Conv(r, kernel)
    p = GlobalMaxPool(map) score = Reshape(p, every)
    """
    source, told = import_small(small(body, described="float[1,3,8,8]"), good)
    assert source.facts.max_batch_size == 1
    assert "the graph takes one picture at a time, so no batches are made of it" in told


def test_a_graph_that_was_made_for_two_pictures_becomes_one_of_any_number(good: list[Path]) -> None:
    source, _ = import_small(small(described="float[2,3,8,8]"), good)
    assert source.facts.max_batch_size is None
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    wanted = images @ np.array([3, 2, 1]) / 255
    answer = source.answer(images)
    assert answer.anomaly_map.shape == (3, 8, 8)
    np.testing.assert_allclose(answer.anomaly_map, wanted, rtol=0, atol=1e-5)


HOLDS_ON_TO_TWO = """
    r = Reshape(x, one_of_2) map = Conv(r, kernel)
    p = GlobalMaxPool(map) score = Reshape(p, every)
    """


def test_a_graph_that_holds_on_to_two_pictures_gets_the_last_one_twice(
    good: list[Path], tmp_path: Path
) -> None:
    source, told = import_small(small(HOLDS_ON_TO_TWO, described="float[2,3,8,8]"), good)
    assert (source.facts.max_batch_size, source.facts.padded_batch) == (2, True)
    (line,) = (line for line in told if "at once" in line)
    assert "one costs as much as 2" in line
    assert "engine.export(model, 'onnx', onnx_kwargs={'dynamic_axes': {'x': {2:" in line
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    wanted = images @ np.array([3, 2, 1]) / 255
    source.write_graph(tmp_path / "out.onnx", "uint8")
    engine = OnnxRuntimeEngine.open(tmp_path / "out.onnx", threads=1)
    for count in (2, 1):
        answer = engine.infer(images[:count])
        np.testing.assert_allclose(answer.anomaly_map, wanted[:count], rtol=0, atol=1e-5)
        scores = wanted[:count].max(axis=(1, 2))
        np.testing.assert_allclose(answer.score, scores, rtol=0, atol=1e-5)
    engine.close()


def test_a_bundle_of_a_fixed_batch_says_so(good: list[Path], tmp_path: Path) -> None:
    source, told = import_small(small(HOLDS_ON_TO_TWO, described="float[2,3,8,8]"), good)
    out = tmp_path / "models" / "parts" / "1"
    options = ExportOptions(alpha=0.3)
    export_bundle(source, good, [], out, options, tell=told.append, quiet=True)
    manifest = load_bundle(out).manifest
    assert (manifest.max_batch_size, manifest.padded_batch) == (2, True)


def test_a_batch_whose_pictures_change_each_other_is_filled_with_one(good: list[Path]) -> None:
    body = (
        HOLDS_ON_TO_TWO.replace("score =", "s =")
        + """
    largest = ReduceMax<keepdims = 1>(s) score = Add(s, largest)
    """
    )
    source, told = import_small(small(body, described="float[2,3,8,8]"), good)
    assert (source.facts.max_batch_size, source.facts.padded_batch) == (1, True)
    assert told[-1].startswith("warning: in a batch, pictures change each other's answers")


def test_a_fixed_batch_of_an_old_opset_is_refused(good: list[Path]) -> None:
    model = small(HOLDS_ON_TO_TWO, described="float[2,3,8,8]")
    model.opset_import[0].version = 9
    with pytest.raises(ExportError, match="fixed number of pictures and has opset 9"):
        import_small(model, good)


def test_a_graph_that_compares_the_pictures_of_a_batch_gets_one(good: list[Path]) -> None:
    body = """
    map = Conv(x, kernel) p = GlobalMaxPool(map) s = Reshape(p, every)
    largest = ReduceMax<keepdims = 1>(s) score = Add(s, largest)
    """
    source, told = import_small(small(body), good)
    assert source.facts.max_batch_size == 1
    assert told[-1].startswith("warning: in a batch, pictures change each other's answers")
