from __future__ import annotations

import logging
import sys

import pytest

from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.host_profile import HostProfile, write_profile
from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.bundles.writing import add_variant
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.errors import ConfigurationError
from takt.core.host import host_name


def with_variant(bundle: Bundle, **fields: object) -> Bundle:
    ours = {
        "name": "openvino-fp32",
        "engine": "openvino",
        "precision": "fp32",
        "model": MODEL,
        "drift": VariantDrift(
            pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0
        ),
        "bounds": GoldenBounds(score=1, anomaly_map=1),
        "made_with": {},
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    return add_variant(bundle, Variant.model_validate(ours | fields), {})


def test_a_variant_is_opened_on_its_engine_with_a_stream_for_each_instance(bundle: Bundle) -> None:
    varied = with_variant(bundle)
    options = EngineOptions(engine="openvino-fp32", engine_instances=2, engine_threads=1)
    opened = engine_opener(options)(varied)
    assert opened.engine.description == "openvino CPU fp32, 2 streams of 1 threads"
    assert opened.plan.variant == varied.variant("openvino-fp32")


def test_what_was_tuned_on_this_host_is_opened(bundle: Bundle) -> None:
    write_profile(
        bundle.path,
        HostProfile(
            host=host_name(EngineOptions().cores),
            engine="openvino",
            engine_instances=1,
            engine_threads=1,
            max_batch_size=1,
            images_per_s=1.0,
            p99_ms=1.0,
            target_ms=None,
            tuned_with={},
            tuned_at="2026-01-01T00:00:00+00:00",
        ),
    )
    assert engine_opener(EngineOptions())(bundle).engine.description.startswith("openvino CPU fp32")


def test_a_missing_engine_is_one_clear_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigurationError, match="OpenVINO is not installed: pip install"):
        engine_opener(EngineOptions(engine="openvino"))(bundle)


@pytest.mark.parametrize("engine", ["openvino", "openvino-fp32"])
def test_where_it_is_allowed_the_reference_serves_on_the_cpu_with_a_warning(
    bundle: Bundle,
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    varied = with_variant(bundle)
    with caplog.at_level(logging.WARNING):
        opened = engine_opener(EngineOptions(engine=engine, provider_fallback=True))(varied)
    assert opened.engine.description.startswith("onnxruntime CPUExecutionProvider")
    assert (opened.plan.variant, opened.plan.model) == (None, bundle.model_path)
    (record,) = caplog.records
    assert "OpenVINO is not installed" in record.getMessage()


@pytest.mark.parametrize("engine", ["tensorrt", "cuda"])
def test_a_gpu_engine_on_a_host_without_a_gpu_is_one_clear_error(
    bundle: Bundle, engine: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        engine_opener(EngineOptions(engine=engine))(bundle)
    assert "\n" not in str(refused.value)


def test_a_gpu_engine_on_a_host_without_a_gpu_serves_on_the_cpu_where_that_is_allowed(
    bundle: Bundle,
) -> None:
    opened = engine_opener(EngineOptions(engine="tensorrt", provider_fallback=True))(bundle)
    assert opened.engine.description.startswith("onnxruntime CPUExecutionProvider")
    assert opened.plan.provider == "cpu"


def test_an_unknown_engine_serves_the_reference_where_that_is_allowed(bundle: Bundle) -> None:
    opened = engine_opener(EngineOptions(engine="openvino-int8", provider_fallback=True))(bundle)
    assert opened.plan.variant is None
    with pytest.raises(ConfigurationError, match="no variant 'openvino-int8'"):
        engine_opener(EngineOptions(engine="openvino-int8"))(bundle)


BUILT_FOR = {"gpu": "NVIDIA L4", "compute_capability": "8.9", "driver": "580", "tensorrt": "10.13"}


def test_a_variant_built_for_a_gpu_that_is_not_here_follows_the_setting(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    varied = with_variant(
        bundle,
        name="tensorrt-fp16",
        engine="onnxruntime",
        provider="tensorrt",
        precision="fp16",
        built_for=BUILT_FOR,
    )
    with pytest.raises(ConfigurationError, match="was built for another host: NVIDIA L4, and here"):
        engine_opener(EngineOptions(engine="tensorrt-fp16"))(varied)
    opened = engine_opener(EngineOptions(engine="tensorrt-fp16", variant_fallback="cpu"))(varied)
    assert opened.engine.description.startswith("onnxruntime CPUExecutionProvider")
    assert opened.plan.variant is None
