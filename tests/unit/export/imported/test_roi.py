"""The region of interest of a graph that somebody else exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, parser

from takt.core.bundles.bundle import load_bundle
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.pictures.roi import RoiShape, roi_on_map
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.errors import ExportError
from takt_export.imported.preprocessing import InputOptions
from takt_export.imported.source import ROI_SCORE, ImportOptions, OnnxSource, open_source
from takt_export.pictures import read_model_input

WritePictures = Callable[..., list[Path]]

LEFT = RoiShape((((0, 0), (0.5, 0), (0.5, 1), (0, 1)),))
WEIGHTS = np.array([3, 2, 1])

MAP_AND_MEAN = "map = Conv(x, kernel) mean = GlobalAveragePool(map) score = Reshape(mean, every)"


def small(body: str = MAP_AND_MEAN, outputs: str = "", *, opset: int = 17) -> ModelProto:
    outputs = outputs or "float[N,1,8,8] map, float[N] score"
    return parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : {opset}]>
        g (float[N,3,8,8] x) => ({outputs})
        <float[1,3,1,1] kernel = {{3, 2, 1}}, int64[1] every = {{-1}}>
        {{ {body} }}"""
    )


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 4)


def import_small(model: ModelProto, good: list[Path], roi: RoiShape | None) -> OnnxSource:
    path = good[0].parent.with_name("m.onnx")
    onnx.save(model, path)
    options = ImportOptions(pictures=InputOptions(white=1), roi=roi, threads=1)
    return open_source(path, good, options, tell=lambda line: None)


def test_the_score_is_the_map_s_maximum_of_what_counts(good: list[Path], tmp_path: Path) -> None:
    source = import_small(small(), good, LEFT)
    report = export_bundle(
        source,
        good,
        [],
        tmp_path / "models" / "parts" / "1",
        ExportOptions(alpha=0.3, threads=1),
        tell=lambda line: None,
        quiet=True,
    )
    bundle = load_bundle(report.bundle.path)
    roi = bundle.manifest.roi
    assert roi is not None
    assert (roi.polygons, roi.share) == (LEFT.polygons, 0.5)
    assert ROI_SCORE in bundle.manifest.notes
    assert bundle.manifest.drift.score < 1e-5
    images = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)
    images[:, :, 4:] = 255
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=1)
    together = engine.infer(images)
    alone = engine.infer(images[3:4])
    changed = images.copy()
    changed[:, :, 4:] = 17
    outside_changed = engine.infer(changed)
    engine.close()
    expected = images[:, :, :4] @ WEIGHTS / 255
    np.testing.assert_allclose(together.anomaly_map[:, :, :4], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together.score, expected.max(axis=(1, 2)), rtol=0, atol=1e-5)
    assert (together.anomaly_map[:, :, 4:] == np.float32(roi.outside)).all()
    assert outside_changed.score.tobytes() == together.score.tobytes()
    assert outside_changed.anomaly_map.tobytes() == together.anomaly_map.tobytes()
    np.testing.assert_allclose(alone.score, together.score[3:4], rtol=0, atol=1e-6)
    reference = source.answer(images)
    np.testing.assert_allclose(together.score, reference.score, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together.anomaly_map, reference.anomaly_map, rtol=0, atol=1e-5)
    inside = roi_on_map(bundle)
    assert inside is not None
    assert inside[:, :4].all()
    assert not inside[:, 4:].any()


def test_outside_the_map_holds_the_lowest_value_of_the_pictures_at_hand(good: list[Path]) -> None:
    source = import_small(small(), good, LEFT)
    assert source.facts.roi is not None
    images = np.stack([read_model_input(path, source.facts.preprocess) for path in good[:2]])
    probes = [*images, 255 - images[0]]
    lowest = min(float((image @ WEIGHTS / 255).min()) for image in probes)
    assert source.facts.roi.outside == pytest.approx(lowest, abs=1e-5)


def test_a_picture_darker_than_all_at_hand_is_scored_by_its_own_values(
    good: list[Path], tmp_path: Path
) -> None:
    source = import_small(small(), good, LEFT)
    source.write_graph(tmp_path / "out.onnx", "uint8")
    dark = np.zeros((1, 8, 8, 3), np.uint8)
    engine = OnnxRuntimeEngine.open(tmp_path / "out.onnx", threads=1)
    assert engine.infer(dark).score[0] == 0
    engine.close()


def test_without_a_region_of_interest_the_graph_has_no_node_for_it(good: list[Path]) -> None:
    path = good[0].with_name("out.onnx")
    import_small(small(), good, None).write_graph(path, "uint8")
    plain = onnx.load(path).graph
    assert "Where" not in {node.op_type for node in plain.node}
    assert not [stored.name for stored in plain.initializer if "side" in stored.name]


def test_a_graph_without_a_map_has_no_part_that_could_count(good: list[Path]) -> None:
    body = "map = Conv(x, kernel) mean = GlobalAveragePool(map) score = Reshape(mean, every)"
    with pytest.raises(ExportError, match="no map of which a part could count"):
        import_small(small(body, "float[N] score"), good, LEFT)


def test_the_training_s_thresholds_are_left_behind(good: list[Path]) -> None:
    facts = {"image_threshold": 12.5, "pixel_threshold": 11}
    good[0].parent.with_name("metadata.json").write_text(json.dumps(facts))
    assert import_small(small(), good, None).facts.trained_thresholds is not None
    assert import_small(small(), good, LEFT).facts.trained_thresholds is None
