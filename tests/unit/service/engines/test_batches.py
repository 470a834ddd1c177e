from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engines.base import EngineOutput
from service.engines.batches import batch_runner
from service.engines.fake import FakeEngine


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
