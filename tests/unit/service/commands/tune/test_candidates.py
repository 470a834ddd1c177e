from __future__ import annotations

from collections.abc import Callable

import pytest

from takt.commands.tune.candidates import (
    GPU_BATCH_SIZES,
    GPU_INSTANCES,
    Candidate,
    candidates_of,
    engines_of,
    instance_counts,
    reference_of,
)
from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.host_profile import HostProfile
from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.engines.options import EngineOptions
from takt.core.engines.plan import plan_for
from takt.core.errors import ConfigurationError
from takt.settings import Settings

MakeBundle = Callable[..., Bundle]


def variant(**fields: object) -> Variant:
    ours = {
        "name": "openvino-bf16",
        "engine": "openvino",
        "precision": "bf16",
        "model": MODEL,
        "drift": VariantDrift(
            pictures=4, score=0.0, score_spans=0.0, anomaly_map=0.0, map_spans=0.0, turned=0
        ),
        "bounds": GoldenBounds(score=0.1, anomaly_map=0.1),
        "made_with": {},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Variant.model_validate(ours | fields)


@pytest.mark.parametrize(
    ("cores", "counts"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (4, (1, 2, 4)),
        (7, (1, 7)),
        (12, (1, 3, 6, 12)),
        (128, (1, 2, 4, 8, 16, 32, 64)),
    ],
)
def test_instances_go_from_one_to_the_cores_and_leave_none_idle(
    cores: int, counts: tuple[int, ...]
) -> None:
    assert instance_counts(cores) == counts


def test_the_threads_of_all_instances_are_the_cores(bundle: Bundle) -> None:
    found = candidates_of(bundle, Settings(), cores=4, engines=("openvino",))
    assert [(one.instances, one.threads) for one in found] == [(1, 4), (2, 2), (4, 1)]


def test_every_runtime_and_every_variant_is_a_candidate(make_bundle: MakeBundle) -> None:
    bundle = make_bundle(variants=[variant()])
    found = {one.engine for one in candidates_of(bundle, Settings(), cores=2)}
    assert found == set(engines_of(bundle))
    assert found == {"onnxruntime", "openvino", "cuda", "tensorrt", "openvino-bf16"}


def test_what_runs_untuned_is_among_the_candidates(bundle: Bundle) -> None:
    assert reference_of(4) in candidates_of(bundle, Settings(), cores=4)


def test_batches_are_tried_on_a_gpu_only(bundle: Bundle) -> None:
    found = candidates_of(bundle, Settings(), cores=2)
    on_gpu = [one for one in found if one.gpu]
    assert {one.engine for one in on_gpu} == {"cuda", "tensorrt"}
    assert len(on_gpu) == 2 * len(GPU_BATCH_SIZES) * len(GPU_INSTANCES)
    assert {one.max_batch_size for one in found if not one.gpu} == {1}


def test_batch_sizes_that_were_asked_for_are_tried_on_a_cpu_too(bundle: Bundle) -> None:
    found = candidates_of(bundle, Settings(), cores=1, engines=("onnxruntime",), batch_sizes=(2, 4))
    assert [one.max_batch_size for one in found] == [2, 4]


def test_batches_larger_than_the_model_takes_are_one_candidate(make_bundle: MakeBundle) -> None:
    bundle = make_bundle(max_batch_size=2)
    found = candidates_of(bundle, Settings(), cores=2, engines=("cuda",))
    assert [one.max_batch_size for one in found] == [1, 2] * len(GPU_INSTANCES)


def test_a_variant_that_takes_fewer_pictures_is_tried_with_as_many(
    make_bundle: MakeBundle,
) -> None:
    bundle = make_bundle(variants=[variant(max_batch_size=1)])
    found = candidates_of(
        bundle, Settings(), cores=1, engines=("openvino-bf16",), batch_sizes=(1, 8)
    )
    assert found == (Candidate("openvino-bf16", 1, 1, 1),)


def test_an_engine_that_the_bundle_lacks_is_refused_by_name(bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="openvino-int4"):
        candidates_of(bundle, Settings(), cores=2, engines=("openvino-int4",))


def test_a_candidate_is_served_as_it_was_measured_whatever_the_settings_say(
    bundle: Bundle,
) -> None:
    base = Settings(engine="tensorrt", engine_threads=9, provider_fallback=True)
    candidate = Candidate("onnxruntime", 3, 2, 4)
    settings = candidate.settings(base)
    plan = plan_for(bundle, settings.engine_options)
    assert not settings.provider_fallback
    assert plan.provider == "cpu"
    assert (plan.instances, plan.threads, plan.max_batch_size) == (3, 2, 4)


def test_auto_serves_a_profile_like_its_candidate(bundle: Bundle) -> None:
    candidate = Candidate("openvino", 3, 2, 4)
    profile = HostProfile(
        host="here",
        engine=candidate.engine,
        engine_instances=candidate.instances,
        engine_threads=candidate.threads,
        max_batch_size=candidate.max_batch_size,
        images_per_s=1.0,
        p99_ms=1.0,
        tuned_with={},
        tuned_at="2026-01-01T00:00:00Z",
    )
    served = plan_for(bundle, EngineOptions(), profile)
    assert served == plan_for(bundle, candidate.settings(Settings()).engine_options)


def test_other_settings_stay_as_they_are() -> None:
    assert Candidate("cuda", 1, 1, 1).settings(Settings(device_id=3)).device_id == 3


@pytest.mark.parametrize(
    ("candidate", "text"),
    [
        (Candidate("openvino", 2, 1, 1), "openvino, 2 x 1 thread"),
        (Candidate("cuda", 1, 2, 8), "cuda, 1 x 2 threads, batches of 8"),
    ],
)
def test_a_candidate_is_named_on_one_line(candidate: Candidate, text: str) -> None:
    assert str(candidate) == text
