import pytest

from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.engines.built_for import host_mismatch
from takt.core.errors import ConfigurationError

HERE = {
    "gpu": "NVIDIA L4",
    "compute_capability": "8.9",
    "driver": "580.65.06",
    "tensorrt": "10.13.3",
}


def variant(**built_for: str) -> Variant:
    return Variant(
        name="tensorrt-fp16",
        engine="onnxruntime",
        provider="tensorrt",
        precision="fp16",
        model="tensorrt-fp16.engine",
        drift=VariantDrift(
            pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0
        ),
        bounds=GoldenBounds(score=1, anomaly_map=1),
        built_for=built_for,
        made_with={},
        created_at="2026-01-01T00:00:00Z",
    )


def test_a_variant_that_was_built_for_this_host_is_served_as_it_is() -> None:
    assert host_mismatch(variant(**HERE), HERE, "fail") is None


def test_a_variant_for_any_host_is_served_even_without_a_gpu() -> None:
    assert host_mismatch(variant(), None, "fail") is None


def test_a_variant_of_another_host_is_refused_with_every_difference_and_the_way_out() -> None:
    there = HERE | {"gpu": "NVIDIA A10", "compute_capability": "8.6", "tensorrt": ""}
    with pytest.raises(ConfigurationError) as refused:
        host_mismatch(variant(**HERE), there, "fail")
    message = str(refused.value)
    assert "GPU NVIDIA L4, and here is NVIDIA A10" in message
    assert "compute capability 8.9, and here is 8.6" in message
    assert "TensorRT 10.13.3, and here is none" in message
    assert "driver" not in message.replace("variant_fallback", "")
    assert "variant_fallback" in message


@pytest.mark.parametrize("fallback", ["build", "cuda", "cpu"])
def test_another_driver_takes_the_course_that_the_settings_allow(fallback) -> None:
    reason = host_mismatch(variant(**HERE), HERE | {"driver": "590.1"}, fallback)
    assert reason is not None
    assert "driver 580.65.06, and here is 590.1" in reason


def test_a_host_without_a_gpu_serves_on_the_cpu_where_that_is_allowed() -> None:
    reason = host_mismatch(variant(**HERE), None, "cpu")
    assert reason is not None
    assert "NVIDIA L4, and here is none" in reason


@pytest.mark.parametrize("fallback", ["build", "cuda"])
def test_a_host_without_a_gpu_builds_nothing_and_says_what_else_may_be_allowed(fallback) -> None:
    with pytest.raises(ConfigurationError, match="variant_fallback=cpu"):
        host_mismatch(variant(**HERE), None, fallback)
