"""Needs an NVIDIA GPU, onnxruntime-gpu and TensorRT: `pytest -m gpu tests/gpu`. Not yet run."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.variant import Precision
from takt.core.engines.built_for import host_mismatch
from takt.core.engines.golden import check_golden
from takt.core.engines.nvidia.gpu import read_gpu
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.provider_options import GpuOptions
from takt_export.pictures import list_pictures
from takt_export.variants.drift_gate import ALLOWED
from takt_export.variants.search import VariantOptions, export_variant
from takt_export.variants.tensorrt import TensorRtMaker

pytestmark = pytest.mark.gpu

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A copy that may be changed."""
    path = tmp_path / "pitting" / "1"
    shutil.copytree(EXAMPLES / "models" / "pitting" / "1", path)
    return load_bundle(path)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
def test_an_exported_variant_is_loaded_and_answers_within_its_bounds(
    bundle: Bundle, precision: Precision, tmp_path: Path
) -> None:
    changed = export_variant(
        TensorRtMaker(
            bundle,
            # A few pictures are no calibration: this is about building and loading.
            VariantOptions(precision=precision, allowed=ALLOWED[precision].widened(100)),
            print,
            opt_batch=2,
            max_batch=4,
            timing_cache=tmp_path / "timed",
        ),
        list_pictures(EXAMPLES / "pictures" / "good"),
        list_pictures(EXAMPLES / "pictures" / "pitting"),
        quiet=True,
    )
    variant = changed.variant(f"tensorrt-{precision}")
    assert host_mismatch(variant, read_gpu(0), "fail") is None
    gpu = GpuOptions(precision=precision, batch_sizes=(1, 2, 4))
    model = changed.path / variant.model
    with closing(OnnxRuntimeEngine.open(model, provider="tensorrt", gpu=gpu)) as engine:
        check_golden(engine, changed, variant)


def test_an_engine_that_was_built_once_is_taken_from_the_cache(
    bundle: Bundle, tmp_path: Path
) -> None:
    gpu = GpuOptions(precision="fp16", batch_sizes=(1, 2), engine_cache=tmp_path / "cache")
    kept = []
    for _ in range(2):
        with closing(
            OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", gpu=gpu)
        ) as engine:
            engine.infer(bundle.golden.images[:2])
        engines = (tmp_path / "cache").glob("*/*.engine")
        kept.append({file.name: file.stat().st_mtime_ns for file in engines})
    assert kept[0]
    assert kept[0] == kept[1]
