from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper

from takt.core.bundles.bundle import load_bundle
from takt_export.variants.tensorrt_graph import cast_before_transpose

pytestmark = pytest.mark.torch

EXAMPLE = Path(__file__).parents[4] / "examples" / "models" / "pitting" / "1"


def graph_of(*operators: str, twice: bool = False) -> ModelProto:
    """Operators one after another; the pictures have a second reader if `twice`."""
    nodes, last = [], "images"
    for position, operator in enumerate(operators):
        options = {"perm": [0, 3, 1, 2]} if operator == "Transpose" else {}
        options |= {"to": TensorProto.FLOAT} if operator == "Cast" else {}
        nodes.append(helper.make_node(operator, [last], [f"t{position}"], **options))
        last = f"t{position}"
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, list("abcd"))]
    if twice:
        nodes.append(helper.make_node("Cast", ["images"], ["other"], to=TensorProto.FLOAT))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, list("abcd")))
    pictures = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 4, 5, 3])
    graph = helper.make_graph(nodes, "test", [pictures], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model: ModelProto, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"images": images})


def test_pictures_are_cast_before_they_are_transposed_and_the_answer_is_the_same() -> None:
    model = graph_of("Transpose", "Cast", "Relu")
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    before = answers(model, images)
    assert cast_before_transpose(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Transpose", "Relu"]
    assert np.array_equal(answers(model, images)[0], before[0])


def test_an_exported_model_answers_the_same_bits() -> None:
    bundle = load_bundle(EXAMPLE)
    model = onnx.load(bundle.model_path)
    before = answers(model, bundle.golden.images[:1])
    assert cast_before_transpose(model)
    onnx.checker.check_model(model, full_check=True)
    (reader,) = [node for node in model.graph.node if "images" in node.input]
    assert reader.op_type == "Cast"
    for found, expected in zip(answers(model, bundle.golden.images[:1]), before, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "model",
    [graph_of("Cast", "Transpose"), graph_of("Transpose", "Cast", twice=True)],
    ids=["cast already first", "pictures read twice"],
)
def test_a_graph_of_another_form_stays_as_it_is(model: ModelProto) -> None:
    before = model.SerializeToString()
    assert not cast_before_transpose(model)
    assert model.SerializeToString() == before
