"""A bundle in a repository of Triton, held against Triton's own schema of configurations."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.bundles.writing import add_variant
from takt.core.errors import BundleError, ConfigurationError
from takt.core.tensors.protocol import INPUTS, OUTPUTS
from takt.core.tensors.triton import TritonForm
from takt_export.commands.export import export
from takt_export.errors import TritonExportError
from takt_export.triton.repository import TritonOptions, write_triton
from tests.conftest import MakeBundle

IN_PYTHON = TritonOptions(runs_in="python")


def config_of(model: Path) -> ModelConfig:
    """A model's configuration; Triton refuses unknown fields, and so does this."""
    text = (model / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, ModelConfig())


def with_variant(
    bundle: Bundle, name: str, content: bytes, beside: str | None = None, **fields: object
) -> Bundle:
    """The bundle with a variant whose graph has this content, and perhaps a file beside it."""
    model = f"{name}{'.xml' if fields.get('engine') == 'openvino' else '.onnx'}"
    files = {model: content} | ({beside: bytes(64)} if beside else {})
    none = VariantDrift(pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0)
    ours = {
        "name": name,
        "engine": "onnxruntime",
        "precision": "fp16",
        "model": model,
        "files": tuple(files),
        "drift": none,
        "bounds": GoldenBounds(score=0.1, anomaly_map=0.1),
        "made_with": {"tests": "0"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return add_variant(bundle, Variant.model_validate(ours | fields), files)


def context_graph(*others: onnx.NodeProto, embedded: int = 1) -> bytes:
    """A graph in which ONNX Runtime keeps an engine of TensorRT."""
    node = helper.make_node(
        "EPContext",
        ["images"],
        ["anomaly_map", "score"],
        domain="com.microsoft",
        embed_mode=embedded,
        ep_cache_context=b"engine.trt",
    )
    ports = [
        helper.make_tensor_value_info(name, kind, ["N", *shape])
        for name, kind, shape in (
            ("images", TensorProto.UINT8, [32, 32, 3]),
            ("anomaly_map", TensorProto.FLOAT, [32, 32]),
            ("score", TensorProto.FLOAT, []),
        )
    ]
    graph = helper.make_graph([node, *others], "engine", ports[:1], ports[1:])
    return helper.make_model(graph).SerializeToString()


def test_the_python_model_has_the_tensors_of_takts_own_server(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_triton(bundle, tmp_path / "triton", TritonOptions(processes=3))

    config = config_of(tmp_path / "triton" / "parts")
    assert (config.name, config.backend, config.max_batch_size) == ("parts", "python", 0)
    assert [one.name for one in config.input] == [spec.name for spec in INPUTS]
    assert all(one.optional for one in config.input)
    assert [one.name for one in config.output][:-1] == [spec.name for spec in OUTPUTS]
    shapes = {one.name: list(one.dims) for one in (*config.input, *config.output)}
    assert shapes["image"] == shapes["score"] == shapes["regions"] == [-1]
    assert shapes["pixels"] == [-1, -1, -1, -1]
    assert shapes["anomaly_map"] == [-1, 32, 32]
    assert config.instance_group[0].count == 3


def test_the_python_models_queue_is_bounded_as_takts_own(bundle: Bundle, tmp_path: Path) -> None:
    write_triton(bundle, tmp_path, IN_PYTHON)

    scheduler = config_of(tmp_path / "parts").dynamic_batching
    assert (scheduler.priority_levels, scheduler.default_priority_level) == (2, 1)
    policy = scheduler.default_queue_policy
    assert (policy.max_queue_size, policy.default_timeout_microseconds) == (256, 30_000_000)
    assert policy.allow_timeout_override


def test_triton_batches_what_the_graph_is_asked(bundle: Bundle, tmp_path: Path) -> None:
    options = TritonOptions(max_batch_size=16, preferred=(8, 4), max_queue_delay_ms=1.5, kind="gpu")
    python, graph = write_triton(bundle, tmp_path, options)

    assert (python.name, graph.name, graph.backend) == ("parts", "parts_graph", "onnxruntime")
    config = config_of(tmp_path / "parts_graph")
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 16)
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 1500
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_GPU
    (images,) = config.input
    assert (images.name, images.data_type) == ("images", DataType.TYPE_UINT8)
    assert list(images.dims) == [32, 32, 3]
    score = next(one for one in config.output if one.name == "score")
    # Triton's form of a tensor that has no axis but the batch's.
    assert list(score.dims) == [1]
    assert score.HasField("reshape")
    assert list(score.reshape.shape) == []
    assert (tmp_path / "parts_graph" / "1" / "model.onnx").read_bytes() == (
        bundle.model_path.read_bytes()
    )


def test_a_graph_of_floats_takes_floats(make_bundle: MakeBundle, tmp_path: Path) -> None:
    write_triton(make_bundle(input_type="float32"), tmp_path, TritonOptions())

    assert config_of(tmp_path / "parts_graph").input[0].data_type == DataType.TYPE_FP32


def test_the_python_model_is_told_which_model_has_the_graph(bundle: Bundle, tmp_path: Path) -> None:
    write_triton(bundle, tmp_path, TritonOptions(max_batch_size=4))

    given = config_of(tmp_path / "parts").parameters
    said = {name: value.string_value for name, value in given.items()}
    assert TritonForm.read(said) == TritonForm("onnxruntime", "parts_graph", max_batch_size=4)


def test_the_batch_is_no_larger_than_the_graph_takes(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    write_triton(make_bundle(max_batch_size=2), tmp_path, TritonOptions(max_batch_size=8))

    assert config_of(tmp_path / "parts_graph").max_batch_size == 2


def test_a_preferred_batch_larger_than_any_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(
        TritonExportError, match="preferred batch of 16 pictures is more than the 8"
    ):
        write_triton(bundle, tmp_path, TritonOptions(preferred=(16,)))


def test_the_folder_stays_a_bundle_that_takt_serves(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "thresholds.json").write_text("{}")
    write_triton(bundle, tmp_path / "triton", TritonOptions())

    written = load_bundle(tmp_path / "triton" / "parts" / "1")
    assert written.digest == bundle.digest
    assert (written.path / "thresholds.json").read_text() == "{}"


def test_the_python_models_code_is_takts_own(bundle: Bundle, tmp_path: Path) -> None:
    write_triton(bundle, tmp_path, IN_PYTHON)

    names: dict[str, object] = {}
    exec((tmp_path / "parts" / "1" / "model.py").read_text(encoding="utf-8"), names)
    assert names["TritonPythonModel"].__module__ == "takt.api.oip.triton.model"
    assert not (tmp_path / "parts_graph").exists()


def test_a_variant_for_onnx_runtime_is_a_graph_too(bundle: Bundle, tmp_path: Path) -> None:
    graph = bundle.model_path.read_bytes()
    changed = with_variant(bundle, "onnxruntime-fp16", graph, max_batch_size=2)
    write_triton(changed, tmp_path, TritonOptions(engine="onnxruntime-fp16"))

    assert (tmp_path / "parts_graph" / "1" / "model.onnx").read_bytes() == graph
    assert config_of(tmp_path / "parts_graph").max_batch_size == 2
    assert config_of(tmp_path / "parts").parameters["engine"].string_value == "onnxruntime-fp16"


def test_an_engine_of_tensorrt_is_taken_out_of_its_graph(bundle: Bundle, tmp_path: Path) -> None:
    changed = with_variant(
        bundle, "tensorrt-fp16", context_graph(), provider="tensorrt", max_batch_size=16
    )
    write_triton(changed, tmp_path, TritonOptions(engine="tensorrt-fp16", max_batch_size=32))

    assert (tmp_path / "parts_graph" / "1" / "model.plan").read_bytes() == b"engine.trt"
    config = config_of(tmp_path / "parts_graph")
    assert (config.backend, config.max_batch_size) == ("tensorrt", 16)


def test_an_engine_for_a_part_of_the_graph_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    graph = context_graph(helper.make_node("Identity", ["score"], ["same"]))
    changed = with_variant(bundle, "tensorrt-fp16", graph, provider="tensorrt")

    with pytest.raises(TritonExportError, match="leaves a part of the graph to others"):
        write_triton(changed, tmp_path, TritonOptions(engine="tensorrt-fp16"))


def test_an_engine_in_a_file_of_its_own_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    graph = context_graph(embedded=0)
    changed = with_variant(bundle, "tensorrt-fp16", graph, "engine.trt", provider="tensorrt")

    with pytest.raises(TritonExportError, match="has its engine in a file of its own"):
        write_triton(changed, tmp_path, TritonOptions(engine="tensorrt-fp16"))


def test_a_graph_with_weights_in_other_files_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    model = onnx.load(bundle.model_path)
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [16], bytes(64), raw=True)
    onnx.external_data_helper.set_external_data(weight, "weights.bin")
    weight.ClearField("raw_data")
    model.graph.initializer.append(weight)
    changed = with_variant(bundle, "onnxruntime-fp16", model.SerializeToString(), "weights.bin")

    with pytest.raises(TritonExportError, match="has its weights in other files"):
        write_triton(changed, tmp_path, TritonOptions(engine="onnxruntime-fp16"))


def test_tensorrt_on_the_cpu_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    changed = with_variant(bundle, "tensorrt-fp16", context_graph(), provider="tensorrt")

    with pytest.raises(TritonExportError, match="GPUs only"):
        write_triton(changed, tmp_path, TritonOptions(engine="tensorrt-fp16", kind="cpu"))


def test_a_variant_of_openvino_runs_in_the_python_model_only(
    bundle: Bundle, tmp_path: Path
) -> None:
    changed = with_variant(bundle, "openvino-int8", b"a graph", engine="openvino")

    with pytest.raises(TritonExportError, match="--runs-in python"):
        write_triton(changed, tmp_path, TritonOptions(engine="openvino-int8"))
    write_triton(changed, tmp_path, TritonOptions(engine="openvino-int8", runs_in="python"))
    assert config_of(tmp_path / "parts").parameters["engine"].string_value == "openvino-int8"


def test_a_graph_of_one_fixed_batch_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    model = onnx.load(bundle.model_path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    changed = with_variant(bundle, "onnxruntime-fp16", model.SerializeToString())

    with pytest.raises(TritonExportError, match="takes 1 pictures at a time and no other"):
        write_triton(changed, tmp_path, TritonOptions(engine="onnxruntime-fp16"))


@pytest.mark.parametrize("runs_in", ["triton", "python"])
def test_an_unknown_engine_is_refused(bundle: Bundle, tmp_path: Path, runs_in: str) -> None:
    with pytest.raises((BundleError, ConfigurationError), match="no variant 'fastest'"):
        write_triton(bundle, tmp_path, TritonOptions(runs_in, "fastest"))  # type: ignore[arg-type]
    assert list(tmp_path.glob("parts*")) == []


def test_a_version_that_is_no_whole_number_is_refused(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    with pytest.raises(TritonExportError, match=r"whole numbers from 1 on, and this one is 2\.0"):
        write_triton(make_bundle(version="2.0"), tmp_path, TritonOptions())


def test_a_later_version_joins_the_earlier_one(make_bundle: MakeBundle, tmp_path: Path) -> None:
    for version in ("9", "10"):
        write_triton(make_bundle(version=version), tmp_path, TritonOptions())

    for model in ("parts", "parts_graph"):
        assert {one.name for one in (tmp_path / model).iterdir()} == {"9", "10", "config.pbtxt"}


@pytest.mark.parametrize("earlier", [True, False])
def test_an_export_for_which_the_disk_is_too_full_can_be_given_again(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    repository = tmp_path / "triton"
    if earlier:
        write_triton(make_bundle(version="1"), repository, TritonOptions(max_batch_size=2))
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    bundle = make_bundle(version="2")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(shutil, "copyfile", full)  # of the bundle's files, once the graph is there
        write_triton(bundle, repository, TritonOptions(max_batch_size=4))
    after = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    assert after == before
    assert len(write_triton(bundle, repository, TritonOptions(max_batch_size=4))) == 2


@pytest.mark.parametrize("version", ["9", "10"])
def test_a_version_that_triton_would_not_answer_with_is_refused(
    make_bundle: MakeBundle, tmp_path: Path, version: str
) -> None:
    ours = {one: make_bundle(version=one) for one in ("9", "10")}
    write_triton(ours["10"], tmp_path, TritonOptions())

    with pytest.raises(TritonExportError, match="has version 10; versions are never changed"):
        write_triton(ours[version], tmp_path, TritonOptions())
    assert not (tmp_path / "parts" / "9").exists()


def test_the_command_says_what_it_wrote_and_what_it_refuses(bundle: Bundle, tmp_path: Path) -> None:
    command = ["triton", str(bundle.path), "--out", str(tmp_path / "triton"), "--max-batch", "4"]

    first = CliRunner().invoke(export, command)
    second = CliRunner().invoke(export, command)

    assert first.exit_code == 0, first.output
    assert first.output.splitlines() == [
        f"{tmp_path}/triton/parts/1: backend python",
        f"{tmp_path}/triton/parts_graph/1: backend onnxruntime, batches of up to 4",
    ]
    assert second.exit_code == 1
    assert "versions are never changed" in second.output
