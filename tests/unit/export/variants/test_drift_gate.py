from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.variant import VariantDrift
from takt.core.engines.base import EngineOutput
from takt.core.errors import DriftError
from takt_export.variants.drift_gate import (
    ALLOWED,
    AllowedDrift,
    Answers,
    answers_of,
    check_variant,
    drift_between,
    excess,
    golden_bounds,
    score_span,
)

WritePictures = Callable[..., list[Path]]


class Brightness:
    """Answers as the bundle's graph does, with something added to every cell and score."""

    shareable = True
    description = "brightness"

    def __init__(self, more: float = 0.0) -> None:
        self._more = np.float32(more)

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        anomaly_map = (images.mean(axis=-1) / 255).astype(np.float32) + self._more
        return EngineOutput(anomaly_map, anomaly_map.max(axis=(1, 2)))

    def trim(self) -> None:
        pass

    def close(self) -> None:
        pass


def drift_of(**fields: float | None) -> VariantDrift:
    ours = {"pictures": 100, "score": 0.0, "score_spans": 0.0, "anomaly_map": 0.0}
    return VariantDrift.model_validate(ours | {"map_spans": 0.0, "turned": 0} | fields)


ALLOWED_HERE = AllowedDrift(score_spans=0.1, map_spans=0.2, turned_share=0.05, auroc=0.01)


def answers(scores: list[float], defective: list[bool], more: float = 0.0) -> Answers:
    maps = tuple(np.full((2, 2), score + more, np.float32) for score in scores)
    return Answers(np.array(scores), maps, np.array(defective))


def test_the_same_answers_do_not_drift(bundle: Bundle) -> None:
    same = answers([0.2, 0.4, 0.9], [False, False, True])
    drift = drift_between(same, same, bundle)
    assert (drift.score, drift.score_spans, drift.anomaly_map, drift.map_spans) == (0, 0, 0, 0)
    assert (drift.turned, drift.image_auroc, drift.reference_auroc) == (0, 1.0, 1.0)


def test_differences_are_told_in_spans_of_scores_and_of_maps(bundle: Bundle) -> None:
    reference = answers([0.0, 1.0], [False, False])
    found = answers([0.1, 0.9], [False, False], more=0.0)
    drift = drift_between(found, reference, bundle)
    # Good scores have a median of 0.295, and the threshold is 0.5.
    assert score_span(bundle) == pytest.approx(0.205)
    assert drift.score == pytest.approx(0.1)
    assert drift.score_spans == pytest.approx(0.1 / 0.205)
    # The maps are 0 and 1, so that their deviation is a half.
    assert drift.anomaly_map == pytest.approx(0.1)
    assert drift.map_spans == pytest.approx(0.2)


def test_verdicts_that_become_others_are_counted_at_the_bundles_threshold(bundle: Bundle) -> None:
    reference = answers([0.49, 0.51, 0.9], [False, False, True])
    found = answers([0.51, 0.49, 0.91], [False, False, True])
    assert drift_between(found, reference, bundle).turned == 2


def test_verdicts_that_a_region_turns_are_counted_too(bundle: Bundle) -> None:
    scores, good = [0.2, 0.3, 0.9], [False, False, False]
    reference, found = answers(scores, good), answers(scores, good, more=0.25)
    # Only the map of the second one now exceeds 0.5; the third was anomalous anyway.
    assert drift_between(found, reference, bundle).turned == 1


def test_without_defects_there_is_no_auroc(bundle: Bundle) -> None:
    same = answers([0.2, 0.4], [False, False])
    drift = drift_between(same, same, bundle)
    assert (drift.image_auroc, drift.reference_auroc) == (None, None)


def test_an_answer_that_is_not_finite_is_refused(bundle: Bundle) -> None:
    reference = answers([0.2], [False])
    with pytest.raises(DriftError, match="not finite"):
        drift_between(answers([float("nan")], [False]), reference, bundle)


@pytest.mark.parametrize(
    "fields, complaint",
    [
        ({"score_spans": 0.11}, "scores differ by 0.11 of their span, and 0.1 is allowed"),
        ({"map_spans": 0.21}, "maps differ by 0.21 of their span, and 0.2 is allowed"),
        ({"turned": 6}, "6 of 100 verdicts are others, and 5.0% is allowed"),
        (
            {"image_auroc": 0.95, "reference_auroc": 0.97},
            "the image AUROC falls from 0.9700 to 0.9500, and 0.01 is allowed",
        ),
    ],
)
def test_each_bound_refuses_by_itself_and_says_what_and_where(
    fields: dict[str, float], complaint: str
) -> None:
    assert excess(drift_of(**fields), ALLOWED_HERE) == (complaint,)
    with pytest.raises(DriftError) as refused:
        check_variant(drift_of(**fields), "int8", ALLOWED_HERE, ("student.conv2",))
    assert complaint in str(refused.value)
    assert "it begins at student.conv2. Keep these layers in higher" in str(refused.value)
    check_variant(drift_of(**fields), "int8", ALLOWED_HERE.widened(10))


def test_where_no_layers_can_be_kept_it_does_not_advise_to() -> None:
    with pytest.raises(DriftError) as refused:
        check_variant(drift_of(score_spans=0.11), "fp16", ALLOWED_HERE, can_mix=False)
    assert "--auto-mixed" not in str(refused.value)
    assert ". Give more and more varied good pictures, or allow more" in str(refused.value)


def test_at_the_bounds_a_variant_is_let_through() -> None:
    within = drift_of(
        score_spans=0.1, map_spans=0.2, turned=5, image_auroc=0.98, reference_auroc=0.985
    )
    assert excess(within, ALLOWED_HERE) == ()
    check_variant(within, "int8", ALLOWED_HERE)


def test_one_verdict_beside_the_threshold_may_turn_on_few_pictures() -> None:
    assert excess(drift_of(pictures=3, turned=1), ALLOWED_HERE) == ()
    assert excess(drift_of(pictures=3, turned=2), ALLOWED_HERE) != ()


def test_a_better_auroc_is_no_fault() -> None:
    assert excess(drift_of(image_auroc=0.99, reference_auroc=0.9), ALLOWED_HERE) == ()


def test_lower_precision_is_allowed_more() -> None:
    order = [ALLOWED[precision] for precision in ("fp32", "fp16", "bf16", "int8")]
    assert [one.score_spans for one in order] == sorted({one.score_spans for one in order})


def test_the_pictures_are_looked_at_as_the_service_does(
    bundle: Bundle, write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 3)
    bad = write_pictures(tmp_path / "bad", 2, high=255)
    found, expected = (
        answers_of(engine, bundle, good, bad, quiet=True)
        for engine in (Brightness(0.01), Brightness())
    )
    drift = drift_between(found, expected, bundle)
    assert drift.pictures == 5
    assert drift.score == pytest.approx(0.01, abs=1e-6)
    assert drift.anomaly_map == pytest.approx(0.01, abs=1e-6)
    assert drift.image_auroc == drift.reference_auroc


def test_the_service_may_load_what_drifts_twice_as_far_as_at_the_export(bundle: Bundle) -> None:
    bounds = golden_bounds(Brightness(0.05), bundle, "int8")
    assert bounds.score == pytest.approx(0.1, rel=1e-4)
    assert bounds.anomaly_map == pytest.approx(0.1, rel=1e-4)


def test_the_bounds_are_never_closer_than_a_reference_graphs(bundle: Bundle) -> None:
    bounds = golden_bounds(Brightness(), bundle, "fp16")
    assert bounds.score >= bundle.manifest.tolerance
    assert bounds.anomaly_map >= bundle.manifest.tolerance


def test_a_variant_of_float32_is_held_as_closely_as_the_reference_graph(bundle: Bundle) -> None:
    bounds = golden_bounds(Brightness(), bundle, "fp32")
    assert bounds.score == bounds.anomaly_map == bundle.manifest.tolerance
