from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, parser
from PIL import Image

from takt.core.bundles.manifest import Crop
from takt_export.errors import ExportError
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.signature import GraphOutputs, InputPort
from takt_export.imported.wrapper import reveal, wrap

HEIGHT, WIDTH = 8, 6
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def port(described: str = "float32", layout: Any = "nchw", channels: int = 3) -> InputPort:
    return InputPort("x", np.dtype(described), layout, None, channels, None, None)


def echo(
    dtype: str = "float", layout: str = "nchw", channels: int = 3, opset: int = 17
) -> ModelProto:
    """Answers with the pixels that it was given, one channel below the other."""
    shape = f"N,{channels},H,W" if layout == "nchw" else f"N,H,W,{channels}"
    order = "0, 1, 2, 3" if layout == "nchw" else "0, 3, 1, 2"
    return parser.parse_model(
        f"""<ir_version: 4, opset_import: ["" : {opset}]>
        echo ({dtype}[{shape}] x) => ({dtype}[N,R,W] map)
        <int64[3] rows = {{0, {channels * HEIGHT}, {WIDTH}}}>
        {{ planes = Transpose<perm = [{order}]>(x) map = Reshape(planes, rows) }}"""
    )


def run(model: ModelProto, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    answers: list[NDArray[np.float32]] = session.run(["anomaly_map", "score"], {"images": images})
    return answers


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)


def planes(values: NDArray[Any]) -> NDArray[Any]:
    """[N,H,W,C] as the echo shows it: [N,C·H,W]."""
    return np.concatenate([values[..., channel] for channel in range(values.shape[-1])], axis=1)


def expected(images: NDArray[np.uint8], case: str) -> NDArray[Any]:
    unit = images / 255
    mean, std = (np.array(IMAGENET[name]) for name in ("mean", "std"))
    grey = np.stack([np.array(Image.fromarray(image).convert("L")) for image in images])[..., None]
    return {
        "plain": unit,
        "imagenet": (unit - mean) / std,
        "bgr_imagenet": (unit[..., ::-1] - mean) / std,
        "levels": images.astype(float),
        "bgr_levels": images[..., ::-1] - np.array([104.0, 117.0, 123.0]),
        "grey": (grey / 255 - 0.5) / 0.25,
        "grey_levels": grey.astype(float),
    }[case]


TRANSFORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "imagenet": IMAGENET,
    "bgr_imagenet": {**IMAGENET, "bgr": True},
    "levels": {"white": 255},
    "bgr_levels": {"white": 255, "bgr": True, "mean": (104 / 255, 117 / 255, 123 / 255)},
    "grey": {"mean": (0.5,), "std": (0.25,)},
    "grey_levels": {"white": 255},
}


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("case", "dtype", "onnx_type", "tolerance"),
    [
        ("plain", "float32", "float", 1e-6),
        ("imagenet", "float32", "float", 1e-5),
        ("imagenet", "float64", "double", 1e-5),
        ("imagenet", "float16", "float16", 2e-3),
        ("bgr_imagenet", "float32", "float", 1e-5),
        ("levels", "float32", "float", 0),
        ("levels", "uint8", "uint8", 0),
        ("bgr_levels", "float32", "float", 1e-4),
        ("grey", "float32", "float", 1e-5),
        ("grey_levels", "uint8", "uint8", 0),
    ],
)
def test_pictures_reach_the_graph_as_its_training_had_them(
    images: NDArray[np.uint8], case: str, dtype: str, onnx_type: str, tolerance: float, layout: str
) -> None:
    """Both ways, in the graph and in numpy, against a third."""
    channels = 1 if case.startswith("grey") else 3
    transform = InputTransform(port(dtype, layout, channels), HEIGHT, WIDTH, **TRANSFORMS[case])
    original = echo(onnx_type, layout, channels)
    wrapped = wrap(original, transform, GraphOutputs("map", None, (channels * HEIGHT, WIDTH)))
    wanted = planes(expected(images, case))
    found, score = run(wrapped, images)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    np.testing.assert_allclose(score, wanted.max(axis=(1, 2)), rtol=0, atol=tolerance)

    fed = [transform.feed(image)["x"] for image in images]
    assert {one.dtype for one in fed} == {np.dtype(dtype)}
    in_numpy = np.concatenate(fed).astype(float)
    in_numpy = in_numpy.transpose(0, 2, 3, 1) if layout == "nchw" else in_numpy
    np.testing.assert_allclose(planes(in_numpy), wanted, rtol=0, atol=tolerance)


def test_every_grey_is_pillow_s() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (1, 400, 500, 3), dtype=np.uint8)
    levels[0, :256, 0] = np.arange(256, dtype=np.uint8)[:, None]
    transform = InputTransform(port("uint8", "nhwc", 1), 400, 500)
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (uint8[N,400,500,1] x) => (float[N,400,500,1] map) { map = Cast<to = 1>(x) }"""
    )
    found, _ = run(wrap(model, transform, GraphOutputs("map", None, (400, 500))), levels)
    assert np.array_equal(found[0], np.array(Image.fromarray(levels[0]).convert("L")))


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18, 21])
def test_graphs_of_old_and_new_opsets_are_wrapped(images: NDArray[np.uint8], opset: int) -> None:
    window = Crop(x=2, y=1, width=WIDTH, height=HEIGHT)
    transform = InputTransform(port(), HEIGHT + 3, WIDTH + 2, window=window, bgr=True, **IMAGENET)  # type: ignore[arg-type]
    model = parser.parse_model(
        f"""<ir_version: 3, opset_import: ["" : {opset}]>
        g (float[N,3,H,W] x) => (float[N,3,H,W] y, float[N,1,H,W] map, float[N] score)
        <float[1,3,1,1] w = {{1, 2, 3}}>
        {{
          map = Conv(x, w)
          peak = GlobalMaxPool(map)
          score = Flatten<axis = 0>(peak)
          y = Relu(x)
        }}"""
    )
    wrapped = wrap(model, transform, GraphOutputs("map", "score", (HEIGHT + 3, WIDTH + 2)))
    assert wrapped.opset_import[0].version == opset
    found, score = run(wrapped, images)
    wanted = (expected(images, "bgr_imagenet") * [1, 2, 3]).sum(axis=-1)
    inside = found[:, 1 : 1 + HEIGHT, 2:]
    np.testing.assert_allclose(inside, wanted, rtol=0, atol=1e-5)
    black = float((-np.array(IMAGENET["mean"]) / IMAGENET["std"] * [1, 2, 3]).sum())
    assert found[:, 0].tolist() == pytest.approx(np.full_like(found[:, 0], black), abs=1e-5)
    assert score.tolist() == found.max(axis=(1, 2)).tolist()


OUTER = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
anomaly (float[N,3,H,W] images, float bias) => (float[N,1,H,W] score, float[N] anomaly_map)
<float bias = {0.5}, float[1,3,1,1] float_images = {1, 1, 1}, float limit = {1e9}>
{
  [images] mixed = Conv(images, float_images)
  peak = GlobalMaxPool(mixed)
  top = ReduceMax<keepdims = 0>(peak)
  above = Greater(top, limit)
  score = If(above)
    <then_branch = high () => (float[N,1,H,W] h) { h = Identity(mixed) },
     else_branch = low () => (float[N,1,H,W] l) {
       doubled = own.twice(mixed)
       l = Add(doubled, bias)
     }>
  every = Constant<value = int64[1] {-1}>()
  anomaly_map = Reshape(peak, every)
}
<domain: "own", opset_import: ["" : 17]>
twice (images) => (score) { score = Add(images, images) }
"""


def test_names_of_ours_subgraphs_functions_and_defaults_do_not_clash(
    images: NDArray[np.uint8],
) -> None:
    model = parser.parse_model(OUTER)
    model.graph.node[0].doc_string = model.functions[0].node[0].doc_string = "/home/them/train.py"
    model.metadata_props.add(key="where", value="/home/them")
    before = model.SerializeToString()
    transform = InputTransform(
        InputPort("images", np.dtype("float32"), "nchw", None, 3, None, None), HEIGHT, WIDTH
    )
    wrapped = wrap(model, transform, GraphOutputs("score", "anomaly_map", (HEIGHT, WIDTH)))
    found, score = run(wrapped, images)
    total = images.sum(axis=-1) / 255
    np.testing.assert_allclose(found, 2 * total + 0.5, rtol=0, atol=1e-5)
    np.testing.assert_allclose(score, total.max(axis=(1, 2)), rtol=0, atol=1e-5)
    assert model.SerializeToString() == before
    assert b"/home/them" not in wrapped.SerializeToString()
    assert [port.name for port in wrapped.graph.input] == ["images"]


def test_a_score_alone_fills_a_map_of_one_cell(images: NDArray[np.uint8]) -> None:
    model = parser.parse_model(OUTER)
    transform = InputTransform(
        InputPort("images", np.dtype("float32"), "nchw", None, 3, None, None), HEIGHT, WIDTH
    )
    found, score = run(wrap(model, transform, GraphOutputs(None, "anomaly_map", (1, 1))), images)
    assert found.shape == (2, 1, 1)
    assert found.ravel().tolist() == score.tolist()
    np.testing.assert_allclose(score, images.sum(axis=-1).max(axis=(1, 2)) / 255, atol=1e-5)


def test_shapes_that_an_exporter_noted_for_its_own_batch_do_not_bind(
    images: NDArray[np.uint8],
) -> None:
    model = echo()
    model.graph.value_info.extend(
        parser.parse_graph(
            "g (float[1,3,8,6] planes) => (float[1] y) { y = Identity(planes) }"
        ).input
    )
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    wrapped = wrap(
        model, InputTransform(port(), HEIGHT, WIDTH), GraphOutputs("map", None, (3 * HEIGHT, WIDTH))
    )
    assert not wrapped.graph.value_info
    assert run(wrapped, images)[0].shape == (2, 3 * HEIGHT, WIDTH)


def test_a_graph_that_is_no_valid_onnx_is_refused() -> None:
    model = echo()
    model.graph.node[0].input[0] = "from nowhere"
    with pytest.raises(ExportError, match="is not valid ONNX"):
        wrap(model, InputTransform(port(), HEIGHT, WIDTH), GraphOutputs("map", None, (24, WIDTH)))


def test_inner_tensors_are_revealed_but_for_those_within_functions() -> None:
    model = parser.parse_model(OUTER)
    assert [port.name for port in reveal(model, ["peak", "score"]).graph.output] == [
        "score", "anomaly_map", "peak"
    ]  # fmt: skip
    with pytest.raises(ExportError, match="doubled lies within a function"):
        reveal(model, ["doubled"])
