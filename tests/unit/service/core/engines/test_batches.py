from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.engines.base import EngineOutput
from takt.core.engines.batches import batch_runner
from takt.core.engines.fake import FakeEngine, FakeFault
from takt.core.errors import EngineError


class Keeping(FakeEngine):
    """Remembers the arrays that it was handed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[NDArray[np.uint8]] = []

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        self.seen.append(images)
        return super().infer(images)


def pictures(*levels: int) -> list[np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]]:
    return [np.full((2, 2, 3), level, np.uint8) for level in levels]


def test_each_picture_has_its_own_answer_in_order() -> None:
    answers = batch_runner(FakeEngine())(pictures(51, 255))
    assert [round(answer.score, 6) for answer in answers] == [0.2, 1.0]
    assert [answer.anomaly_map.shape for answer in answers] == [(2, 2), (2, 2)]


def test_a_lone_picture_is_not_copied() -> None:
    engine, (picture,) = Keeping(), pictures(9)
    batch_runner(engine)([picture])
    assert np.shares_memory(engine.seen[0], picture)


def test_batches_use_the_same_memory_again() -> None:
    engine = Keeping()
    run = batch_runner(engine)
    run(pictures(1, 2, 3))
    run(pictures(4, 5))
    assert np.shares_memory(engine.seen[0], engine.seen[1])
    assert engine.seen[1].shape == (2, 2, 2, 3)


def test_two_runners_never_share_memory() -> None:
    engine = Keeping()
    for run in (batch_runner(engine), batch_runner(engine)):
        run(pictures(1, 2))
    assert not np.shares_memory(engine.seen[0], engine.seen[1])


@pytest.mark.parametrize("side", [4, 200])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 3])
def test_a_value_that_is_not_finite_fails_the_batch(side: int, value: float, count: int) -> None:
    class Infinite(FakeEngine):
        def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
            output = super().infer(images)
            output.anomaly_map[-1, 1, 2] = value
            return output

    run = batch_runner(Infinite(), (side, side))
    with pytest.raises(EngineError, match="not finite"):
        run([np.zeros((side, side, 3), np.uint8)] * count)


def test_a_score_that_is_not_finite_fails_the_batch() -> None:
    class Nameless(FakeEngine):
        def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
            output = super().infer(images)
            return EngineOutput(output.anomaly_map, np.full_like(output.score, np.nan))

    with pytest.raises(EngineError, match="not finite"):
        batch_runner(Nameless(), (4, 4))([np.zeros((4, 4, 3), np.uint8)])


def test_large_values_are_finite() -> None:
    class Large(FakeEngine):
        def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
            output = super().infer(images)
            return EngineOutput(np.full_like(output.anomaly_map, 1e30), output.score)

    (answer,) = batch_runner(Large(), (4, 4))([np.zeros((4, 4, 3), np.uint8)])
    assert answer.anomaly_map.max() == np.float32(1e30)


@pytest.mark.parametrize("fault", ["wrong_shape", "wrong_type"])
def test_an_answer_of_another_shape_or_type_fails_the_batch(fault: FakeFault) -> None:
    with pytest.raises(EngineError, match=r"where a map float32\[1, 4, 4\] and a score"):
        batch_runner(FakeEngine([fault]), (4, 4))([np.zeros((4, 4, 3), np.uint8)])
