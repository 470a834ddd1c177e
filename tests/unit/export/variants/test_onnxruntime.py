from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, numpy_helper

import takt_export.variants.onnxruntime
from takt.core.bundles.bundle import MODEL, Bundle, load_bundle
from takt.core.bundles.writing import add_variant
from takt.core.engines.golden import check_golden
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.errors import ConfigurationError, DriftError
from takt.repository.model_version import ModelVersion
from takt.settings import Settings
from takt_export.commands.export import export as export_group
from takt_export.variants.drift_gate import AllowedDrift
from takt_export.variants.onnx_int8 import quantize_onnx
from takt_export.variants.onnxruntime import OnnxRuntimeMaker
from takt_export.variants.search import VariantOptions, export_variant

pytestmark = pytest.mark.torch

ServeOnce = Callable[[Path, Settings], ModelVersion]

WRONG = "teacher.conv2"
"""The teacher: what it answers outweighs the student of a detector that was never trained."""

ENOUGH = AllowedDrift(score_spans=1.0, map_spans=0.3, turned_share=1.0, auroc=1.0)
"""A detector that was never trained ranks noise by chance, and its scores span next to nothing."""


def added(
    bundle: Bundle,
    pictures: Path,
    precision: str,
    *,
    allowed: AllowedDrift = ENOUGH,
    tell: Callable[[str], None] = lambda _: None,
    **more: bool,
) -> Bundle:
    options = VariantOptions(precision=precision, allowed=allowed, threads=1, **more)  # type: ignore[arg-type]
    return export_variant(
        OnnxRuntimeMaker(bundle, options, tell),
        sorted((pictures / "good").iterdir()),
        sorted((pictures / "bad").iterdir()),
        quiet=True,
    )


def few_of(pictures: Path, count: int, folder: Path) -> Path:
    """A folder with so many of the good and of the bad pictures."""
    for kind in ("good", "bad"):
        (folder / kind).mkdir(parents=True)
        for picture in sorted((pictures / kind).iterdir())[:count]:
            shutil.copy(picture, folder / kind)
    return folder


def spoil(path: Path, factor: float = 3.0) -> None:
    """Multiply the scales of one layer's 8-bit weights."""
    model = onnx.load(path)
    (scale,) = (
        tensor for tensor in model.graph.initializer if tensor.name == f"model.{WRONG}.weight_scale"
    )
    wrong = numpy_helper.to_array(scale) * np.float32(factor)
    scale.CopyFrom(numpy_helper.from_array(wrong, scale.name))
    onnx.save_model(model, path)


@pytest.fixture(scope="module")
def varied(exported: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A copy of the thin detector's bundle with both variants."""
    path = tmp_path_factory.mktemp("varied") / "models" / "parts" / "1"
    shutil.copytree(exported, path)
    for precision in ("int8", "fp16"):
        added(load_bundle(path), pictures, precision)
    return load_bundle(path)


@pytest.mark.parametrize(
    ("precision", "provider", "map_spans"), [("int8", "cpu", 0.3), ("fp16", "cuda", 0.02)]
)
def test_each_precision_becomes_a_variant_with_its_drift(
    varied: Bundle, precision: str, provider: str, map_spans: float
) -> None:
    variant = varied.variant(f"onnxruntime-{precision}")
    assert (variant.engine, variant.provider) == ("onnxruntime", provider)
    assert variant.precision == precision
    assert variant.drift.pictures == 6
    assert 0 < variant.drift.map_spans <= map_spans
    assert variant.drift.image_auroc is not None
    assert "onnxruntime" in variant.made_with


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_variant_is_a_graph_of_its_own_named_by_its_contents(
    varied: Bundle, precision: str
) -> None:
    variant = varied.variant(f"onnxruntime-{precision}")
    assert re.fullmatch(rf"onnxruntime-{precision}-[0-9a-f]{{8}}\.onnx", variant.model)
    assert variant.files == (variant.model,)
    size = (varied.path / variant.model).stat().st_size
    assert size < 1.1 * (varied.path / MODEL).stat().st_size


def test_8_bits_answer_the_golden_inputs_within_their_bounds_as_they_are_served(
    varied: Bundle,
) -> None:
    opened = engine_opener(EngineOptions(engine="onnxruntime-int8"))(varied)
    assert opened.engine.description.startswith("onnxruntime CPUExecutionProvider")
    assert opened.plan.model.name == varied.variant("onnxruntime-int8").model
    check_golden(opened.engine, varied, opened.plan.variant)
    opened.engine.close()


def test_8_bits_are_timed_and_float16_is_not_where_there_is_no_gpu(varied: Bundle) -> None:
    assert varied.variant("onnxruntime-int8").images_per_s is not None
    assert varied.variant("onnxruntime-fp16").images_per_s is None


def test_float16_without_a_gpu_serves_the_reference_only_where_that_is_allowed(
    varied: Bundle,
) -> None:
    with pytest.raises(ConfigurationError, match="CUDAExecutionProvider"):
        engine_opener(EngineOptions(engine="onnxruntime-fp16"))(varied)
    opened = engine_opener(EngineOptions(engine="onnxruntime-fp16", provider_fallback=True))(varied)
    assert opened.plan.variant is None
    check_golden(opened.engine, varied)
    opened.engine.close()


def test_where_there_is_a_gpu_float16_is_compared_and_timed_on_it(
    thin: Bundle, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = OnnxRuntimeEngine.open, []

    def open_engine(model: Path, *, provider: str = "cpu", **options: Any) -> OnnxRuntimeEngine:
        opened.append((model.name.partition("-")[0], provider))
        return real(model, threads=1)

    monkeypatch.setattr(takt_export.variants.onnxruntime, "check_provider", lambda *_: None)
    monkeypatch.setattr(takt_export.variants.onnxruntime.OnnxRuntimeEngine, "open", open_engine)
    told: list[str] = []
    variant = added(thin, pictures, "fp16", tell=told.append).variant("onnxruntime-fp16")
    assert opened == [("model.onnx", "cpu"), ("onnxruntime", "cuda"), ("onnxruntime", "cuda")]
    assert variant.images_per_s is not None
    assert not any("comparing on the CPU" in line for line in told)


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quantiser makes one layer's scales wrong, until some layer is kept."""

    def quantize_badly(model: Path, images: Any, out: Path, kept: Sequence[str]) -> None:
        quantize_onnx(model, images, out, kept)
        if not kept:
            spoil(out)

    monkeypatch.setattr(takt_export.variants.onnxruntime, "quantize_onnx", quantize_badly)


def test_a_variant_with_one_wrong_scale_is_refused_at_export_with_the_layer_named(
    thin: Bundle, pictures: Path, spoilt: None
) -> None:
    with pytest.raises(DriftError, match=rf"it begins at {WRONG}\. Keep") as refused:
        added(thin, pictures, "int8")
    assert "answers unlike the trained model" in str(refused.value)
    assert load_bundle(thin.path).manifest == thin.manifest


def test_the_search_keeps_the_layer_where_the_drift_begins(
    thin: Bundle, pictures: Path, spoilt: None
) -> None:
    changed = added(thin, pictures, "int8", auto_mixed=True)
    variant = changed.variant("onnxruntime-int8")
    assert variant.kept == (WRONG,)
    stored = {
        tensor.name: tensor.data_type
        for tensor in onnx.load(changed.path / variant.model).graph.initializer
    }
    assert stored[f"model.{WRONG}.weight"] == TensorProto.FLOAT
    assert stored["model.teacher.conv1.weight_quantized"] == TensorProto.INT8


def test_a_variant_with_one_wrong_scale_is_refused_at_load_with_the_layer_named(
    varied: Bundle, tmp_path: Path, serve_once: ServeOnce
) -> None:
    path = tmp_path / "models" / "parts" / "1"
    shutil.copytree(varied.path, path)
    bundle = load_bundle(path)
    good = bundle.variant("onnxruntime-int8")
    assert serve_once(path, Settings(engine="onnxruntime-int8")).reason is None
    shutil.copy(path / good.model, path / "bad.onnx")
    spoil(path / "bad.onnx")
    # As if it had been exported so: all hashes are right, and so are the bounds of the good one.
    bad = good.model_copy(update={"model": "bad.onnx", "files": ("bad.onnx",)})
    add_variant(bundle, bad, {"bad.onnx": (path / "bad.onnx").read_bytes()})
    model = serve_once(path, Settings(engine="onnxruntime-int8"))
    assert model.reason is not None
    assert "drifts from the trained model" in model.reason
    assert f"it begins at {WRONG}; choose" in model.reason
    assert serve_once(path, Settings(engine="onnxruntime")).reason is None


def test_a_new_variant_takes_the_place_of_the_former_one_of_its_name(
    varied: Bundle, pictures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "models" / "parts" / "1"
    shutil.copytree(varied.path, path)
    former = varied.variant("onnxruntime-int8")
    changed = added(load_bundle(path), few_of(pictures, 2, tmp_path / "fewer"), "int8")
    variant = changed.variant("onnxruntime-int8")
    assert variant.drift.pictures == 4
    assert variant.model != former.model
    assert {file.name for file in path.glob("onnxruntime-int8-*")} == {variant.model}
    assert changed.variant("onnxruntime-fp16") == varied.variant("onnxruntime-fp16")


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_the_command_adds_a_variant_and_shows_the_table(
    thin: Bundle, pictures: Path, precision: str
) -> None:
    arguments = ["onnxruntime", str(thin.path), "--precision", precision, "-q"]
    options = ["--good", str(pictures / "good"), "--allow-drift", "100"]
    result = CliRunner().invoke(export_group, [*arguments, *options])
    assert result.exit_code == 0, result.output
    assert f"onnxruntime-{precision}" in result.output.splitlines()[-1]
    assert load_bundle(thin.path).variant(f"onnxruntime-{precision}").drift.pictures == 4
    assert (thin.path / "card.md").exists()


def test_the_command_refuses_in_one_line(thin: Bundle, pictures: Path) -> None:
    arguments = ["onnxruntime", str(thin.path), "--precision", "fp16", "-q"]
    options = ["--good", str(pictures / "good"), "--allow-drift", "1e-9"]
    result = CliRunner().invoke(export_group, [*arguments, *options])
    assert result.exit_code == 1
    error = result.output.splitlines()[-1]
    assert error.startswith("Error: the fp16 variant answers unlike the trained model")
    assert load_bundle(thin.path).manifest == thin.manifest


def test_a_drift_that_no_kept_layer_mends_is_refused_in_the_end(
    thin: Bundle, pictures: Path, tmp_path: Path
) -> None:
    few = few_of(pictures, 1, tmp_path / "few")
    nothing = replace(ENOUGH, map_spans=1e-12)
    told: list[str] = []
    with pytest.raises(DriftError, match="maps differ by"):
        added(thin, few, "fp16", allowed=nothing, auto_mixed=True, tell=told.append)
    kept = [int(re.findall(r"(\d+) layers kept", line)[0]) for line in told if "kept" in line]
    assert kept == [0, 1, 2, 4, 8, 16]
