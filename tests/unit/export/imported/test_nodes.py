from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, parser

from takt_export.imported.nodes import GraphNodes, all_tensors

HEAD = '<ir_version: 8, opset_import: ["" : 17, "own" : 1]>'

BRANCHING = (
    HEAD
    + """
branching (float[N] x, bool above) => (float[N] y)
<float half = {0.5}, float[3] taken = {1, 2, 3}>
{
  one = Constant<value = float {1.0}>()
  three = Add(one, two_and_more)
  two_and_more = Div(one, half)
  y = If(above)
    <then_branch = high () => (float[N] high_y) { high_y = Mul(x, taken) },
     else_branch = low () => (float[N] low_y) { low_y = Mul(x, half) }>
}"""
)


def model(text: str) -> ModelProto:
    return parser.parse_model(text)


@pytest.fixture
def nodes() -> GraphNodes:
    parsed = model(BRANCHING)
    # As exporters write them: what is used comes first.
    sorted_nodes = [parsed.graph.node[i] for i in (0, 2, 1, 3)]
    del parsed.graph.node[:]
    parsed.graph.node.extend(sorted_nodes)
    return GraphNodes(parsed)


def test_a_stored_tensor_is_constant(nodes: GraphNodes) -> None:
    assert nodes.constant("half") == np.float32(0.5)


def test_what_is_computed_from_constants_alone_is_constant(nodes: GraphNodes) -> None:
    assert nodes.constant("three") == np.float32(3)


def test_what_depends_on_an_input_is_not_constant(nodes: GraphNodes) -> None:
    assert nodes.constant("x") is None
    assert nodes.constant("y") is None


def test_a_tensor_is_computed_from_the_inputs_that_it_needs(nodes: GraphNodes) -> None:
    x = np.array([1, 2, 3], np.float32)
    found = nodes.evaluate("y", {"x": x, "above": np.array(True)})
    assert found is not None
    assert found.tolist() == [1, 4, 9]
    assert nodes.evaluate("y", {"x": x}) is None


def test_a_node_uses_what_its_subgraphs_take_from_outside(nodes: GraphNodes) -> None:
    assert [node.op_type for node in nodes.consumers("x")] == ["If"]
    assert [node.op_type for node in nodes.consumers("half")] == ["Div", "If"]


def test_the_origin_is_behind_what_changes_shape_and_type_only() -> None:
    nodes = GraphNodes(
        model(
            HEAD
            + """
            g (float[N,1] x) => (double[N] y)
            <int64[1] every = {-1}>
            { a = Relu(x)  b = Reshape(a, every)  y = Cast<to = 11>(b) }"""
        )
    )
    assert nodes.origin("y") == "a"
    assert nodes.origin("x") == "x"


def test_a_local_function_is_seen_through() -> None:
    nodes = GraphNodes(
        model(
            HEAD
            + """
            g (float[N] x) => (float[N] y) { y = own.twice(x) }
            <domain: "own", opset_import: ["" : 17]>
            twice (a) => (b) { b = Add(a, a) }"""
        )
    )
    assert [node.op_type for node in nodes.consumers("x")] == ["Add"]


def test_tensors_in_nodes_and_subgraphs_are_found() -> None:
    parsed = model(BRANCHING)
    assert sorted(t.name or "value" for t in all_tensors(parsed.graph)) == [
        "half",
        "taken",
        "value",
    ]
