from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.host_profile import HostProfile
from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.bundles.writing import add_variant
from takt.core.engines.options import EngineOptions
from takt.core.engines.plan import plan_for
from takt.core.errors import ConfigurationError


def variant_of(name: str, **fields: Any) -> Variant:
    ours: dict[str, Any] = {
        "engine": "openvino",
        "precision": "int8",
        "model": MODEL,
        "drift": VariantDrift(
            pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0
        ),
        "bounds": GoldenBounds(score=1, anomaly_map=1),
        "made_with": {},
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    return Variant(name=name, **(ours | fields))


@pytest.fixture
def tuned() -> HostProfile:
    return HostProfile(
        host="here",
        engine="openvino-int8",
        engine_instances=3,
        engine_threads=2,
        max_batch_size=4,
        images_per_s=30.0,
        p99_ms=40.0,
        target_ms=None,
        tuned_with={},
        tuned_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def varied(bundle: Bundle) -> Bundle:
    data = b"weights"
    return add_variant(
        bundle,
        variant_of("openvino-int8", model="int8.xml", files=("int8.xml",)),
        {"int8.xml": data},
    )


def test_without_settings_and_profile_the_reference_runs_once_on_all_cores(bundle: Bundle) -> None:
    plan = plan_for(bundle, EngineOptions())
    assert (plan.engine, plan.provider, plan.precision) == ("onnxruntime", "cpu", "fp32")
    assert (plan.variant, plan.model) == (None, bundle.model_path)
    assert (plan.instances, plan.threads, plan.max_batch_size) == (1, EngineOptions().cores, 1)


def test_what_was_tuned_on_this_host_settles_what_the_settings_leave_open(
    varied: Bundle, tuned: HostProfile
) -> None:
    plan = plan_for(varied, EngineOptions(), tuned)
    assert (plan.engine, plan.precision) == ("openvino", "int8")
    assert plan.model == varied.path / "int8.xml"
    assert (plan.instances, plan.threads, plan.max_batch_size) == (3, 2, 4)


def test_a_setting_goes_before_what_was_tuned(varied: Bundle, tuned: HostProfile) -> None:
    plan = plan_for(varied, EngineOptions(engine_instances=1, max_batch_size=2), tuned)
    assert plan.engine == "openvino"
    assert (plan.instances, plan.threads, plan.max_batch_size) == (1, EngineOptions().cores, 2)


def test_an_engine_that_is_named_leaves_what_was_tuned_for_another(
    varied: Bundle, tuned: HostProfile
) -> None:
    plan = plan_for(varied, EngineOptions(engine="onnxruntime"), tuned)
    assert (plan.engine, plan.variant, plan.instances) == ("onnxruntime", None, 1)


@pytest.mark.parametrize(
    "name, engine, provider, batch",
    [
        ("onnxruntime", "onnxruntime", "cpu", 1),
        ("cuda", "onnxruntime", "cuda", 8),
        ("tensorrt", "onnxruntime", "tensorrt", 8),
        ("openvino", "openvino", "cpu", 1),
    ],
)
def test_the_reference_graph_runs_on_any_engine_by_its_name(
    bundle: Bundle, name: str, engine: str, provider: str, batch: int
) -> None:
    plan = plan_for(bundle, EngineOptions(engine=name))
    assert (plan.engine, plan.provider, plan.variant) == (engine, provider, None)
    assert plan.max_batch_size == batch


def test_a_name_that_the_bundle_does_not_have_lists_those_that_it_has(varied: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="no variant 'openvino-int4', but openvino-int8"):
        plan_for(varied, EngineOptions(engine="openvino-int4"))


def test_a_bundle_without_variants_says_what_makes_some(bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="takt export openvino"):
        plan_for(bundle, EngineOptions(engine="openvino-int8"))


def test_batches_are_no_larger_than_graph_and_variant_take(
    make_bundle: Callable[..., Bundle],
) -> None:
    bundle = make_bundle(max_batch_size=6)
    assert plan_for(bundle, EngineOptions(max_batch_size=16)).max_batch_size == 6
    small = add_variant(bundle, variant_of("small", max_batch_size=2), {})
    plan = plan_for(small, EngineOptions(engine="small", max_batch_size=16))
    assert plan.max_batch_size == 2


def test_a_graph_that_always_computes_two_gets_two_where_they_wait(
    make_bundle: Callable[..., Bundle],
) -> None:
    bundle = make_bundle(max_batch_size=2, padded_batch=True)
    assert plan_for(bundle, EngineOptions()).max_batch_size == 2
    assert plan_for(bundle, EngineOptions(max_batch_size=1)).max_batch_size == 1
