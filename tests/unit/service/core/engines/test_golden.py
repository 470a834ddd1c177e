from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.engines.base import EngineOutput
from takt.core.engines.golden import BatchDrift, GoldenDrift, check_golden, measure_golden
from takt.core.errors import DriftError


class Skewed:
    """Answers the golden answers, with something added: always, in batches of several, or alone."""

    description = "skewed"

    def __init__(
        self,
        bundle: Bundle,
        score: float = 0.0,
        anomaly_map: float = 0.0,
        score_in_batches: float = 0.0,
        score_alone: float = 0.0,
    ) -> None:
        self._golden = bundle.golden
        self._score, self._map = np.float32(score), np.float32(anomaly_map)
        self._score_in_batches = np.float32(score_in_batches)
        self._score_alone = np.float32(score_alone)
        self.batch_sizes: list[int] = []

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        self.batch_sizes.append(len(images))
        known = list(self._golden.images)
        which = [next(i for i, one in enumerate(known) if (one == image).all()) for image in images]
        score = self._golden.score[which] + self._score
        if len(images) > 1:
            score[-1] += self._score_in_batches
        else:
            score += self._score_alone
        return EngineOutput(self._golden.anomaly_map[which] + self._map, score)

    def close(self) -> None:
        pass


def test_an_engine_within_the_tolerance_passes_and_says_by_how_much_it_drifts(
    bundle: Bundle,
) -> None:
    skewed = Skewed(bundle, score=4e-4, anomaly_map=-2e-4, score_in_batches=1e-4)
    drift = check_golden(skewed, bundle)
    assert drift.batch_size == 3
    assert drift.score == pytest.approx(5e-4, rel=1e-3)
    assert drift.anomaly_map == pytest.approx(2e-4, rel=1e-3)


@pytest.mark.parametrize(
    "skew",
    [
        {"score": 2e-3},
        {"anomaly_map": -2e-3},
        {"score": np.nan},
        {"anomaly_map": np.inf},
        {"score_in_batches": 0.5},
        {"score_alone": 0.5},
    ],
)
def test_an_engine_that_drifts_is_refused(bundle: Bundle, skew: dict[str, float]) -> None:
    with pytest.raises(DriftError, match="skewed drifts from the trained model"):
        check_golden(Skewed(bundle, **skew), bundle)


def test_an_engine_of_another_shape_is_refused(bundle: Bundle) -> None:
    class Small(Skewed):
        def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
            output = super().infer(images)
            return EngineOutput(output.anomaly_map[:, ::2, ::2], output.score)

    with pytest.raises(DriftError, match="shapes"):
        check_golden(Small(bundle), bundle)


def test_a_nan_in_an_earlier_batch_is_not_forgotten(make_bundle) -> None:
    bundle = make_bundle(max_batch_size=1)

    class FailsFirst(Skewed):
        def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
            output = super().infer(images)
            if len(self.batch_sizes) == 1:
                output.anomaly_map[0, 0, 0] = np.nan
            return output

    with pytest.raises(DriftError, match="map by nan"):
        check_golden(FailsFirst(bundle), bundle)


@pytest.mark.parametrize(
    ("most", "together"), [(None, [3]), (8, [3]), (3, [3]), (2, [2, 1]), (1, [])]
)
def test_no_batch_is_larger_than_the_model_takes(
    make_bundle, most: int | None, together: list[int]
) -> None:
    bundle = make_bundle(max_batch_size=most)
    engine = Skewed(bundle)
    check_golden(engine, bundle)
    assert engine.batch_sizes == [1, 1, 1, *together]


def test_the_golden_inputs_are_measured_alone_and_together(bundle: Bundle) -> None:
    engine = Skewed(bundle, score_in_batches=0.25)
    drift = measure_golden(engine, bundle)
    assert engine.batch_sizes == [1, 1, 1, 3]
    assert drift.alone == BatchDrift(1, score=0.0, anomaly_map=0.0)
    assert drift.together == BatchDrift(3, score=pytest.approx(0.25), anomaly_map=0.0)
    assert drift.batches == (drift.alone, drift.together)


def test_a_model_of_single_pictures_is_measured_alone(make_bundle) -> None:
    bundle = make_bundle(max_batch_size=1)
    engine = Skewed(bundle)
    drift = measure_golden(engine, bundle)
    assert engine.batch_sizes == [1, 1, 1]
    assert drift.together is None
    assert drift.batches == (drift.alone,)


def test_all_that_was_measured_must_be_within_the_tolerance() -> None:
    good, bad = BatchDrift(1, 1e-4, 1e-3), BatchDrift(3, 2e-3, 0.0)
    assert GoldenDrift(good, None).within(1e-3)
    assert GoldenDrift(good, good).within(1e-3)
    assert not GoldenDrift(good, bad).within(1e-3)
    assert not GoldenDrift(bad, good).within(1e-3)
