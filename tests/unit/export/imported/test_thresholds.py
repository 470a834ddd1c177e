from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from onnx import parser

from takt.core.bundles.manifest import CheckpointThresholds
from takt_export.imported.nodes import GraphNodes
from takt_export.imported.signature import GraphOutputs
from takt_export.imported.thresholds import find_thresholds, read_metadata

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[N,1,8,8] x) => (float[N,1,8,8] map, float[N] score, bool[N] label, bool[N,1,8,8] mask)
<float low = {0}, float high = {1}, float half = {0.5}, float quarter = {0.25},
 int64[1] every = {-1}>
{
  map = Clip(x, low, high)
  peak = GlobalMaxPool(x)
  cut = Clip(peak, low, high)
  score = Reshape(cut, every)
  %s
}"""
OUTPUTS = GraphOutputs("map", "score", (8, 8))
ANSWERS = ["map", "score", "label", "mask"]


def found(verdicts: str, outputs: GraphOutputs = OUTPUTS) -> CheckpointThresholds | None:
    return find_thresholds(GraphNodes(parser.parse_model(TEXT % verdicts)), ANSWERS, outputs)


def test_what_label_and_mask_compare_with_are_the_thresholds() -> None:
    both = "label = Greater(score, half) mask = Greater(map, quarter)"
    assert found(both) == CheckpointThresholds(image=0.5, pixel=0.25)
    later = "l = Greater(cut, half) label = Reshape(l, every) mask = Greater(map, quarter)"
    assert found(later) == CheckpointThresholds(image=0.5, pixel=0.25)


def test_a_threshold_that_is_anomalous_itself_lies_just_below() -> None:
    thresholds = found("label = GreaterOrEqual(score, half) mask = Greater(map, half)")
    assert thresholds is not None
    assert thresholds.image == math.nextafter(0.5, 0)
    assert thresholds.pixel == 0.5


@pytest.mark.parametrize(
    "verdicts",
    [
        "label = Greater(score, half) mask = Not(map)",
        "label = Greater(half, score) mask = Greater(map, half)",
        "label = Greater(score, score) mask = Greater(map, half)",
        "label = Greater(peak, half) mask = Greater(map, half)",
        "label = Less(score, half) mask = Greater(map, half)",
    ],
)
def test_other_comparisons_are_no_thresholds(verdicts: str) -> None:
    assert found(verdicts) is None


def test_without_a_score_s_own_output_there_are_none() -> None:
    both = "label = Greater(score, half) mask = Greater(map, quarter)"
    assert found(both, GraphOutputs("map", None, (8, 8))) is None


def test_anomalib_1_keeps_them_beside_the_graph(tmp_path: Path) -> None:
    graph = tmp_path / "model.onnx"
    assert read_metadata(graph) is None
    facts = {"task": "segmentation", "image_threshold": 12.5, "pixel_threshold": 11}
    (tmp_path / "metadata.json").write_text(json.dumps(facts))
    assert read_metadata(graph) == CheckpointThresholds(image=12.5, pixel=11.0)


@pytest.mark.parametrize(
    "content",
    ["no json", "[]", "{}", '{"image_threshold": NaN, "pixel_threshold": 1}',
     '{"image_threshold": "high", "pixel_threshold": 1}', '{"image_threshold": null}'],
)  # fmt: skip
def test_another_metadata_json_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "metadata.json").write_text(content)
    assert read_metadata(tmp_path / "model.onnx") is None
