from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from takt.core.bundles.bundle import MODEL, Bundle, load_bundle
from takt.core.bundles.content.graph_references import MESSAGES, referenced_files
from takt.core.bundles.reading import file_sha256
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import BundleError
from tests.manifests import rewrite_manifest


def references(folder: Path, content: bytes) -> set[str]:
    file = folder / MODEL
    file.write_bytes(content)
    with file.open("rb") as stream:
        return referenced_files(file, stream)


def test_every_way_of_onnx_to_external_data_is_looked_at() -> None:
    """Computed from ONNX's own definition, so that a new way is noticed."""
    models = {
        message.name: message
        for message in onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values()
    }
    leading = {"StringStringEntryProto"}

    def fields_of(name: str) -> dict[int, str]:
        return {
            field.number: field.message_type.name
            for field in models[name].fields
            if field.message_type is not None
            and field.message_type.name in leading
            and (name == "TensorProto" or field.message_type.name != "StringStringEntryProto")
            and field.name not in ("metadata_props", "quant_parameter_tensor_names")
        }

    while more := {name for name in models if fields_of(name)} - leading:
        leading |= more
    found = {name: fields_of(name) for name in leading}

    reached = {"ModelProto"}
    while more := {inner for name in reached for inner in found[name].values()} - reached:
        reached |= more
    assert {name: found[name] for name in reached} == MESSAGES


def test_a_name_that_only_sounds_like_it_refers_to_nothing(bundle: Bundle, tmp_path: Path) -> None:
    model = onnx.load(bundle.model_path)
    model.graph.node[0].name = "location"
    model.graph.node[1].name = "EPContext"
    model.metadata_props.add(key="location", value="Hall 3")
    model.graph.initializer.append(
        numpy_helper.from_array(np.frombuffer(b"\x6a\x0c\x0a\x08location", np.uint8), "location")
    )

    assert references(tmp_path, model.SerializeToString()) == set()


def test_weights_in_a_listed_file_are_served(bundle: Bundle) -> None:
    model = onnx.load(bundle.model_path)
    (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == "scale")
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale), "scale"))
    set_external_data(scale, location="w.bin")
    onnx.save(model, bundle.model_path)
    changed = {name: file_sha256(bundle.path / name) for name in (MODEL, "w.bin")}
    rewrite_manifest(bundle.path, lambda manifest: manifest["files"].update(changed))

    again = load_bundle(bundle.path)
    engine = OnnxRuntimeEngine.open(again.model_path, threads=1)

    assert engine.infer(again.golden.images).score == pytest.approx(again.golden.score, abs=1e-6)


def test_an_engine_within_its_graph_refers_to_nothing(tmp_path: Path) -> None:
    node = helper.make_node("EPContext", ["images"], ["score"], embed_mode=1)
    node.attribute.append(helper.make_attribute("ep_cache_context", b"\x00engine"))
    model = helper.make_model(helper.make_graph([node], "compiled", [], []))

    assert references(tmp_path, model.SerializeToString()) == set()


@pytest.mark.parametrize("name", ["plain", "location"])
def test_graphs_in_graphs_are_bounded_where_they_may_refer_to_files(
    tmp_path: Path, name: str
) -> None:
    graph = helper.make_graph([helper.make_node("Relu", [], [], name=name)], "innermost", [], [])
    for _ in range(20):
        graph = helper.make_graph([helper.make_node("If", [], [], then_branch=graph)], "", [], [])
    content = helper.make_model(graph).SerializeToString()

    if name == "plain":
        assert references(tmp_path, content) == set()
    else:
        with pytest.raises(BundleError, match=r"model\.onnx has graphs in graphs"):
            references(tmp_path, content)


def test_a_word_is_found_wherever_the_reading_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file of so many parts that only the words that lead to other files are searched."""
    monkeypatch.setattr("takt.core.bundles.content.graph_references._FIELDS", 100)
    before, after = b"\x08\x00" * ((1 << 17) - 6), b"\x08\x00" * 100
    for shift in range(12):
        text = b"a" * shift + b"location"
        with pytest.raises(BundleError, match="more parts"):
            references(tmp_path, before + b"\x1a" + bytes([len(text)]) + text + after)


def test_what_a_parser_finds_in_a_damaged_graph_is_found(tmp_path: Path) -> None:
    """Whatever damage leaves readable, no reference that onnx sees is missed."""
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", [], [], [tensor])
    content, rng = helper.make_model(graph).SerializeToString(), random.Random(0)
    parsed = 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            found = references(tmp_path, bytes(damaged))
        except BundleError:
            continue
        try:
            model = onnx.load_model_from_string(bytes(damaged))
        except Exception:
            continue
        parsed += 1
        seen = {
            entry.value if isinstance(entry.value, str) else entry.value.decode("utf-8", "replace")
            for one in model.graph.initializer
            for entry in one.external_data
            if entry.key == "location"
        }
        assert seen <= found
    assert parsed > 40
