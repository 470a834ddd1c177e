from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, parser

from takt_export.errors import ExportError
from takt_export.imported.nodes import GraphNodes
from takt_export.imported.signature import (
    GraphOutputs,
    InputPort,
    before_cut,
    find_input,
    find_outputs,
)

FILE = Path("made/by-others.onnx")


def model(inputs: str, stored: str = "") -> ModelProto:
    return parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({inputs}) => (float[N] y)
        <{stored or "float unused = {0}"}>
        {{ y = Identity(x) }}"""
    )


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("float[N,3,8,6]", ("float32", "nchw", None, 3, 8, 6)),
        ("uint8[N,8,6,3]", ("uint8", "nhwc", None, 3, 8, 6)),
        ("float16[1,1,H,W]", ("float16", "nchw", 1, 1, None, None)),
        ("double[4,H,6,1]", ("float64", "nhwc", 4, 1, None, 6)),
        ("float[N,3,3,6]", ("float32", "nchw", None, 3, 3, 6)),
    ],
)
def test_the_shape_tells_layout_batch_and_size(described: str, expected: tuple[Any, ...]) -> None:
    dtype, *rest = expected
    port = find_input(model(f"{described} x"), FILE, None)
    assert port == InputPort("x", np.dtype(dtype), *rest)


@pytest.mark.parametrize("described", ["float[N,C,H,W]", "float[N,3,H,3]", "float[N,4,8,8]"])
def test_a_shape_that_does_not_tell_the_layout_asks_for_it(described: str) -> None:
    with pytest.raises(ExportError, match="say --layout nchw or --layout nhwc"):
        find_input(model(f"{described} x"), FILE, None)


def test_a_layout_that_is_given_settles_it() -> None:
    assert find_input(model("float[N,H,W,C] x"), FILE, "nhwc").channels == 3
    with pytest.raises(ExportError, match="has 8 channels as NHWC"):
        find_input(model("float[N,3,8,8] x"), FILE, "nhwc")


@pytest.mark.parametrize(
    "described", ["float[N,3,8]", "float[N]", "int64[N,3,8,8]", "seq(float[8])"]
)
def test_an_input_that_takes_no_pictures_is_refused(described: str) -> None:
    with pytest.raises(ExportError, match=r"the input of made/by-others\.onnx is x \("):
        find_input(model(f"{described} x"), FILE, None)


def test_several_inputs_are_refused_unless_the_others_have_defaults() -> None:
    with pytest.raises(ExportError, match=r"has 2 inputs \(x \(float \[N, 3, 8, 8\]\), prompt "):
        find_input(model("float[N,3,8,8] x, float[1] prompt"), FILE, None)
    port = find_input(
        model("float[N,3,8,8] x, float[1] prompt", "float[1] prompt = {1}"), FILE, None
    )
    assert port.name == "x"


Answer = dict[str, np.ndarray[Any, Any]]


def answers(**shapes: tuple[str, tuple[int, ...]]) -> list[Answer]:
    rng = np.random.default_rng(0)
    return [
        {name: rng.random(shape).astype(dtype) for name, (dtype, shape) in shapes.items()}
        for _ in range(2)
    ]


def find(
    found: list[Answer], asked_map: str | None = None, asked_score: str | None = None
) -> GraphOutputs:
    return find_outputs(found, FILE, asked_map, asked_score)


@pytest.mark.parametrize("map_shape", [(1, 1, 8, 6), (1, 8, 6), (1, 8, 6, 1), (8, 6)])
@pytest.mark.parametrize("score_shape", [(1,), (1, 1), (), (1, 1, 1, 1)])
def test_shapes_tell_the_map_from_the_score(
    map_shape: tuple[int, ...], score_shape: tuple[int, ...]
) -> None:
    found = answers(b=("float32", score_shape), a=("float16", map_shape))
    assert find(found) == GraphOutputs("a", "b", (8, 6))


def test_labels_masks_and_features_are_neither() -> None:
    found = answers(
        label=("bool", (1,)),
        count=("int64", (1, 1)),
        mask=("bool", (1, 1, 8, 6)),
        features=("float32", (1, 16, 8, 6)),
        logits=("float32", (1, 2)),
        segmentation=("float32", (1, 1, 4, 3)),
        certainty=("float32", (1,)),
    )
    assert find(found) == GraphOutputs("segmentation", "certainty", (4, 3))


def test_usual_names_decide_between_several() -> None:
    plane, number = ("float32", (1, 1, 8, 6)), ("float32", (1,))
    found = answers(
        pred_mask=plane, anomaly_map=plane, raw_map=plane, pred_label=number, pred_score=number
    )
    assert find(found) == GraphOutputs("anomaly_map", "pred_score", (8, 6))
    assert find(answers(first=plane, the_map=plane)).anomaly_map == "the_map"


def test_names_that_an_exporter_made_up_stand_back() -> None:
    plane = ("float32", (1, 1, 8, 6))
    found = answers(**{"output": plane, "onnx::Mul_427": plane, "431": plane})
    assert find(found).anomaly_map == "output"
    assert find(answers(**{"431": plane})).anomaly_map == "431"


def test_outputs_that_are_the_same_need_no_choice() -> None:
    found = answers(a=("float32", (1, 8, 6)))
    assert find([answer | {"b": answer["a"].copy()} for answer in found]).anomaly_map == "a"


def test_outputs_that_nothing_tells_apart_are_listed() -> None:
    found = answers(a=("float32", (1, 8, 6)), b=("float32", (1, 4, 3)), s=("float32", (1,)))
    message = (
        r"answers with a \(float32 \[1, 8, 6\]\), b .*, and a or b may be the map.*--map-output"
    )
    with pytest.raises(ExportError, match=message):
        find(found)
    assert find(found, "b") == GraphOutputs("b", "s", (4, 3))
    assert find(found, "none") == GraphOutputs(None, "s", (1, 1))


def test_a_missing_score_or_map_is_left_to_the_other() -> None:
    assert find(answers(a=("float32", (1, 8, 6)))) == GraphOutputs("a", None, (8, 6))
    assert find(answers(a=("float32", (1,)))) == GraphOutputs(None, "a", (1, 1))


@pytest.mark.parametrize("name", ["absent", "logits", "s"])
def test_a_name_that_is_no_map_is_refused(name: str) -> None:
    found = answers(m=("float32", (1, 8, 6)), logits=("float32", (1, 2)), s=("float32", (1,)))
    with pytest.raises(ExportError, match=f"--map-output {name}: .*that is no map among them"):
        find(found, name)


def test_a_named_output_may_hold_whole_numbers() -> None:
    found = answers(m=("float32", (1, 8, 6)), votes=("int64", (1,)))
    assert find(found, None, "votes").score == "votes"


def test_an_answer_without_map_and_score_is_refused() -> None:
    with pytest.raises(ExportError, match=r"logits \(float32 \[1, 2\]\); none is a map"):
        find(answers(logits=("float32", (1, 2))))
    with pytest.raises(ExportError, match="none is a map"):
        find(answers(m=("float32", (1, 8, 6))), "none", "none")


def test_what_is_cut_off_is_found_before_the_cut() -> None:
    nodes = GraphNodes(
        parser.parse_model(
            """<ir_version: 8, opset_import: ["" : 17]>
            g (float[N,1,8,8] x) => (float[N,1,8,8] map, float[N] score)
            <float low = {0}, float high = {1}, int64[1] every = {-1}>
            {
              map = Relu(x)
              peak = GlobalMaxPool(map)
              cut = Clip(peak, low, high)
              score = Reshape(cut, every)
            }"""
        )
    )
    assert before_cut(nodes, GraphOutputs("map", "score", (8, 8))) == GraphOutputs(
        "map", "peak", (8, 8)
    )
    assert before_cut(nodes, GraphOutputs("map", None, (8, 8))) == GraphOutputs("map", None, (8, 8))
