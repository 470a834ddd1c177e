import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.base import EngineOutput
from service.engines.golden import check_golden
from service.errors import DriftError


class Skewed:
    """Answers the golden answer, with something added."""

    description = "skewed"

    def __init__(self, bundle: Bundle, score: float = 0.0, anomaly_map: float = 0.0) -> None:
        self._golden = bundle.golden
        self._score, self._map = np.float32(score), np.float32(anomaly_map)

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        assert np.array_equal(images, self._golden.images)
        return EngineOutput(self._golden.anomaly_map + self._map, self._golden.score + self._score)

    def close(self) -> None:
        pass


def test_an_engine_within_the_tolerance_passes(bundle: Bundle) -> None:
    half = bundle.manifest.tolerance / 2
    check_golden(Skewed(bundle, half, half), bundle)


@pytest.mark.parametrize("skew", [{"score": 2e-3}, {"anomaly_map": -2e-3}, {"score": np.nan}])
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
