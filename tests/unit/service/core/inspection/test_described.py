"""Engines by the descriptions that the record has of them."""

from __future__ import annotations

from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Source
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.errors import ConfigurationError
from takt.core.inspection.described import settings_of


def source(engine: str, variant: str = "") -> Source:
    return Source("", engine, variant, "", "")


@pytest.mark.parametrize(
    "layout",
    [
        {"engine": "onnxruntime", "engine_threads": 1},
        {"engine": "onnxruntime", "engine_threads": 2, "engine_instances": 2},
        {"engine": "openvino", "engine_instances": 2, "engine_threads": 1},
    ],
)
def test_an_engine_is_opened_again_by_its_description(
    bundle: Bundle, layout: dict[str, Any]
) -> None:
    first = engine_opener(EngineOptions(**layout))(bundle)
    told = settings_of(source(first.engine.description))
    again = engine_opener(EngineOptions(**told))(bundle)
    assert again.engine.description == first.engine.description
    for opened in (first, again):
        opened.engine.close()


def test_a_variant_goes_before_its_runtime() -> None:
    told = settings_of(source("openvino CPU int8 and bf16, 1 streams of 4 threads", "openvino-8"))
    assert told == {"engine": "openvino-8", "engine_instances": 1, "engine_threads": 4}


def test_a_gpu_has_its_batch_sizes_again() -> None:
    engine = "onnxruntime TensorrtExecutionProvider, device 1, batches of 1, 2, 6, CUDA graphs"
    assert settings_of(source(engine)) == {
        "engine": "tensorrt",
        "engine_instances": 1,
        "device_id": 1,
        "max_batch_size": 6,
        "preferred_batch_sizes": (1, 2),
        "cuda_graphs": True,
    }
    plain = "onnxruntime CUDAExecutionProvider, device 0, batches of 4"
    told = settings_of(source(plain))
    assert (told["engine"], told["preferred_batch_sizes"]) == ("cuda", ())
    assert told["cuda_graphs"] is False


@pytest.mark.parametrize("engine", ["", "fake", "onnxruntime CPUExecutionProvider, all threads"])
def test_an_unknown_engine_is_refused(engine: str) -> None:
    with pytest.raises(ConfigurationError, match="no engine that calls itself"):
        settings_of(source(engine))
