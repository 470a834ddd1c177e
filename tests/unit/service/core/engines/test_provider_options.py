from pathlib import Path

import pytest

from takt.core.bundles.variant import Precision
from takt.core.engines.provider_options import GpuOptions, provider_options


def of_tensorrt(**options: object) -> dict[str, str]:
    (name, found), *_ = provider_options("tensorrt", **options)  # type: ignore[arg-type]
    assert name == "TensorrtExecutionProvider"
    return found


def test_the_cpu_needs_no_options() -> None:
    assert provider_options("cpu") == [("CPUExecutionProvider", {})]


def test_the_gpu_multiplies_in_full_precision_on_its_device_and_stream() -> None:
    (name, options), (rest, _) = provider_options("cuda", device_id=1, stream=4096)
    assert (name, rest) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options == {
        "device_id": "1",
        "user_compute_stream": "4096",
        "use_tf32": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
    }


def test_what_tensorrt_leaves_over_runs_by_cuda_on_the_same_stream() -> None:
    names, options = zip(*provider_options("tensorrt", device_id=1, stream=7), strict=True)
    assert names == ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    assert options[0] == {"device_id": "1", "user_compute_stream": "7"}
    assert options[1]["user_compute_stream"] == "7"


def test_one_provider_of_a_session_captures_cuda_graphs() -> None:
    graphs = GpuOptions(cuda_graphs=True)
    assert provider_options("cuda", gpu=graphs)[0][1]["enable_cuda_graph"] == "1"
    tensorrt, cuda, _ = provider_options("tensorrt", gpu=graphs)
    assert tensorrt[1]["trt_cuda_graph_enable"] == "1"
    assert "enable_cuda_graph" not in cuda[1]


@pytest.mark.parametrize(
    ("precision", "enabled"),
    [
        ("fp32", set()),
        ("fp16", {"trt_fp16_enable"}),
        ("bf16", {"trt_bf16_enable"}),
        ("int8", {"trt_int8_enable", "trt_fp16_enable"}),
    ],
)
def test_tensorrt_may_compute_in_what_the_precision_says(
    precision: Precision, enabled: set[str]
) -> None:
    options = of_tensorrt(gpu=GpuOptions(precision=precision))
    assert {name for name, value in options.items() if value == "1"} == enabled


def test_an_engine_cache_keeps_engines_and_timings() -> None:
    options = of_tensorrt(gpu=GpuOptions(engine_cache=Path("kept")))
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == "kept"
