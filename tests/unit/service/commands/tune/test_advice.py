from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.commands.tune.advice import advice
from takt.commands.tune.results import MeasuredCandidate, TuneResults
from takt.core.bundles.bundle import MODEL, Bundle

MakeBundle = Callable[..., Bundle]
MakeMeasured = Callable[..., MeasuredCandidate]

NOTHING = TuneResults((), (), None)


def variant(name: str, engine: str, precision: str, provider: str = "cpu") -> dict[str, object]:
    drift = {"pictures": 1, "score": 0, "score_spans": 0, "anomaly_map": 0, "map_spans": 0}
    return {
        "name": name,
        "engine": engine,
        "provider": provider,
        "precision": precision,
        "model": MODEL,
        "drift": {**drift, "turned": 0},
        "bounds": {"score": 1, "anomaly_map": 1},
        "made_with": {},
        "created_at": "2026-01-01T00:00:00Z",
    }


def test_a_bundle_without_8_bits_is_told_how_to_have_them(bundle: Bundle) -> None:
    (line,) = advice(bundle, NOTHING, openvino=True)
    assert f"takt export openvino {bundle.path} --precision int8 --good DIR" in line
    assert "pip" not in line


def test_openvino_comes_first_where_it_is_missing(bundle: Bundle) -> None:
    (line,) = advice(bundle, NOTHING, openvino=False)
    assert "pip install 'openvino>=2025.2'" in line


def test_a_bundle_that_has_8_bits_is_told_nothing(make_bundle: MakeBundle) -> None:
    bundle = make_bundle(variants=[variant("openvino-int8", "openvino", "int8")])
    assert list(advice(bundle, NOTHING, openvino=True)) == []


@pytest.mark.parametrize("exported", [False, True])
def test_a_gpu_that_runs_tensorrt_is_worth_a_variant(
    make_bundle: MakeBundle, make_measured: MakeMeasured, exported: bool
) -> None:
    variants = [variant("openvino-int8", "openvino", "int8")]
    if exported:
        variants.append(variant("tensorrt-fp16", "onnxruntime", "fp16", "tensorrt"))
    bundle = make_bundle(variants=variants)
    measured = TuneResults((make_measured("tensorrt", 100.0),), (), None)
    lines = list(advice(bundle, measured, openvino=True))
    assert [f"takt export tensorrt {bundle.path} --good DIR" in line for line in lines] == (
        [] if exported else [True]
    )
