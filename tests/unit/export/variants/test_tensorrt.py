"""TensorRT is stood in for: the session writes a graph, and the CPU answers for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import TensorProto, helper

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.distribution import install_hint
from takt.core.engines.base import EngineOutput
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import ConfigurationError, DriftError
from takt_export.commands.export import export
from takt_export.errors import ExportError, PicturesError
from takt_export.variants import tensorrt as module
from takt_export.variants.drift_gate import ALLOWED
from takt_export.variants.search import VariantOptions, export_variant
from takt_export.variants.tensorrt import TensorRtMaker, build_options

HOST = {
    "gpu": "NVIDIA L4",
    "compute_capability": "8.9",
    "driver": "580.65.06",
    "tensorrt": "10.13.3",
}

WritePictures = Callable[..., list[Path]]


class Runtime(ModuleType):
    """An ONNX Runtime whose TensorRT provider writes a graph of these nodes, or fails."""

    def __init__(self) -> None:
        super().__init__("onnxruntime")
        self.__version__ = "1.31.1"
        self.cuda_version = "13.0"
        self.writes: str | None = "EPContext"
        self.error: Exception | None = None
        self.built: dict[str, str] = {}
        self.calibrated = False
        self.first_operators: list[str] = []
        runtime = self

        class Session:
            def __init__(
                self, model: str, options: object, *, providers: list[Any], enable_fallback: int
            ) -> None:
                runtime.built = dict(providers[0][1])
                table = runtime.built.get("trt_int8_calibration_table_name")
                runtime.calibrated = table is not None and Path(table).is_file()
                nodes = onnx.load(model).graph.node
                runtime.first_operators = [node.op_type for node in nodes if "images" in node.input]
                if runtime.error is not None:
                    raise runtime.error
                if runtime.writes is not None:
                    onnx.save(_graph(runtime.writes), runtime.built["trt_ep_context_file_path"])

        class Options:
            log_severity_level = 2

        self.InferenceSession = Session
        self.SessionOptions = Options


def _graph(operator: str) -> onnx.ModelProto:
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain="com.microsoft")],
        "context",
        [port],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    return helper.make_model(graph)


class Skewed:
    """What TensorRT answers: the reference's answers, times a factor."""

    shareable = False
    description = "tensorrt"

    def __init__(self, reference: OnnxRuntimeEngine, factor: float) -> None:
        self._reference = reference
        self._factor = np.float32(factor)

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        output = self._reference.infer(images)
        return EngineOutput(output.anomaly_map * self._factor, output.score * self._factor)

    def trim(self) -> None:
        pass

    def close(self) -> None:
        self._reference.close()


class Host:
    """A host with a GPU, and what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
        self.runtime = Runtime()
        self.factor = 1.0
        self.opened: list[dict[str, Any]] = []
        real = OnnxRuntimeEngine.open

        def open_engine(model: Path, **options: Any) -> object:
            if options.get("provider", "cpu") == "cpu":
                return real(model, threads=1)
            assert model.is_file()
            self.opened.append(options)
            return Skewed(real(bundle.model_path, threads=1), self.factor)

        monkeypatch.setattr(module, "import_runtime", lambda _: self.runtime)
        monkeypatch.setattr(module, "check_provider", lambda *_: None)
        monkeypatch.setattr(module, "read_gpu", lambda *_: dict(HOST))
        monkeypatch.setattr(module.OnnxRuntimeEngine, "open", open_engine)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> Host:
    return Host(monkeypatch, bundle)


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 6)


def run(bundle: Bundle, good: list[Path], **options: Any) -> Bundle:
    names = ("precision", "allowed")
    shared = {name: options.pop(name) for name in names if name in options}
    asked = VariantOptions(**{"precision": "fp16", "threads": 1} | shared)
    maker = TensorRtMaker(bundle, asked, lambda _: None, **options)
    return export_variant(maker, good, [], quiet=True)


def test_the_variant_holds_the_engine_and_what_it_was_built_for(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    changed = run(bundle, good)
    assert load_bundle(bundle.path).manifest == changed.manifest
    (variant,) = changed.manifest.variants
    assert (variant.name, variant.engine, variant.provider) == (
        "tensorrt-fp16",
        "onnxruntime",
        "tensorrt",
    )
    assert variant.precision == "fp16"
    assert variant.built_for == HOST
    assert variant.max_batch_size == 16
    assert variant.made_with["onnxruntime"] == "1.31.1"
    assert variant.files == (variant.model,) == ("tensorrt-fp16.engine",)
    (node,) = onnx.load(bundle.path / variant.model).graph.node
    assert node.op_type == "EPContext"
    assert variant.drift.pictures == 6


def test_the_engine_takes_every_batch_up_to_the_largest(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    run(bundle, good, opt_batch=4, max_batch=6)
    assert host.runtime.built["trt_profile_min_shapes"] == "images:1x32x32x3"
    assert host.runtime.built["trt_profile_opt_shapes"] == "images:4x32x32x3"
    assert host.runtime.built["trt_profile_max_shapes"] == "images:6x32x32x3"
    assert host.opened[0]["gpu"].batch_sizes == (1, 2, 4, 6)


def test_no_batch_is_larger_than_the_model_takes(
    host: Host, make_bundle: Callable[..., Bundle], good: list[Path]
) -> None:
    changed = run(make_bundle(version="2", max_batch_size=2), good)
    assert host.runtime.built["trt_profile_opt_shapes"] == "images:2x32x32x3"
    assert changed.manifest.variants[0].max_batch_size == 2


def test_8_bits_have_the_ranges_of_the_good_pictures(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    run(bundle, good, precision="int8")
    assert host.runtime.calibrated
    assert host.runtime.built["trt_int8_enable"] == "1"


def test_other_precisions_measure_no_ranges(host: Host, bundle: Bundle, good: list[Path]) -> None:
    run(bundle, good)
    assert "trt_int8_calibration_table_name" not in host.runtime.built


def test_what_was_timed_is_kept_and_engines_of_other_models_are_not(
    host: Host, bundle: Bundle, good: list[Path], tmp_path: Path
) -> None:
    run(bundle, good, timing_cache=tmp_path / "timed")
    assert host.runtime.built["trt_timing_cache_path"] == str(tmp_path / "timed")
    assert "trt_engine_cache_path" not in host.runtime.built


def test_an_engine_that_drifts_is_refused_and_the_bundle_stays(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    host.factor = 1.5
    with pytest.raises(DriftError, match="fp16 variant answers unlike the trained model"):
        run(bundle, good)
    assert load_bundle(bundle.path).manifest.variants == ()
    assert not list(bundle.path.glob("tensorrt*"))


def test_more_drift_is_let_through_where_it_is_allowed(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    host.factor = 1.5
    changed = run(bundle, good, allowed=ALLOWED["fp16"].widened(1000))
    assert changed.manifest.variants[0].drift.map_spans > ALLOWED["fp16"].map_spans


def test_a_build_that_fails_says_why(host: Host, bundle: Bundle, good: list[Path]) -> None:
    host.runtime.error = RuntimeError("/src/trt.cc:1 f(const X&) out of memory")
    with pytest.raises(ExportError, match="could not build the engine: out of memory"):
        run(bundle, good)


@pytest.mark.parametrize(
    ("writes", "complaint"), [(None, "wrote no graph"), ("Other", "took no part of the model")]
)
def test_a_model_that_tensorrt_leaves_alone_is_no_variant(
    host: Host, bundle: Bundle, good: list[Path], writes: str | None, complaint: str
) -> None:
    host.runtime.writes = writes
    with pytest.raises(ExportError, match=complaint):
        run(bundle, good)


def test_a_host_without_tensorrt_is_told_before_any_work(
    host: Host, bundle: Bundle, good: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConfigurationError("TensorrtExecutionProvider could not be loaded on this host")

    monkeypatch.setattr(module, "check_provider", refuse)
    with pytest.raises(ConfigurationError, match="could not be loaded"):
        run(bundle, good)
    assert host.runtime.built == {}


def test_the_command_adds_the_variant_and_shows_it(
    host: Host, bundle: Bundle, good: list[Path]
) -> None:
    arguments = ["tensorrt", str(bundle.path), "--good", str(good[0].parent), "--quiet"]
    result = CliRunner().invoke(export, [*arguments, "--precision", "bf16", "--max-batch", "4"])
    assert result.exit_code == 0, result.output
    assert "building an engine for NVIDIA L4" in result.output
    assert "tensorrt-bf16" in result.output
    assert load_bundle(bundle.path).variant("tensorrt-bf16").max_batch_size == 4


def test_the_command_fails_with_one_line_where_there_is_no_gpu(
    bundle: Bundle, good: list[Path]
) -> None:
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime is the one for GPUs")
    arguments = ["tensorrt", str(bundle.path), "--good", str(good[0].parent)]
    result = CliRunner().invoke(export, arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "TensorrtExecutionProvider" in result.output
    assert install_hint("gpu", "tensorrt") in result.output


def test_a_picture_that_cannot_be_read_is_named_before_any_work(
    host: Host, bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PicturesError, match=r"broken\.png"):
        run(bundle, [tmp_path / "broken.png"], precision="int8")
    assert host.runtime.built == {}


def test_a_build_ahead_of_time_has_a_profile_and_embeds_its_engine() -> None:
    options = build_options(
        (256, 320), (1, 8, 16), Path("out.onnx"), Path("timed"), ranges=Path("ranges")
    )
    assert options["trt_profile_min_shapes"] == "images:1x256x320x3"
    assert options["trt_profile_opt_shapes"] == "images:8x256x320x3"
    assert options["trt_profile_max_shapes"] == "images:16x256x320x3"
    assert options["trt_dump_ep_context_model"] == options["trt_ep_context_embed_mode"] == "1"
    assert options["trt_ep_context_file_path"] == "out.onnx"
    assert options["trt_int8_calibration_table_name"] == str(Path("ranges").resolve())
    assert options["trt_timing_cache_path"] == "timed"
    # With an absolute one the provider refuses to write a context.
    assert "trt_engine_cache_path" not in options
