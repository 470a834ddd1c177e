from __future__ import annotations

import asyncio
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from takt.sources.capture import SourceError
from takt.sources.pacing import Shot, Shots, WatchClock


class FakeTime:
    """Time that passes only by sleeping.

    Attributes:
        slept: the sleeps so far, in seconds.
        on_sleep: called before each.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None
        self.clock = WatchClock(lambda: self.now_s, self._sleep, lambda: 1.0)

    async def _sleep(self, seconds: float) -> None:
        self.on_sleep()
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


class FakeCapture:
    """A `cv2.VideoCapture` that gives its frames, then none; each is grey, at a level."""

    def __init__(self, levels: list[int], fps: float = 0.0) -> None:
        self._levels = list(levels)
        self._fps = fps
        self.released = False

    def get(self, property_id: int) -> float:
        assert property_id == cv2.CAP_PROP_FPS
        return self._fps

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        assert not self.released
        if not self._levels:
            return False, None
        return True, np.full((2, 3, 3), self._levels.pop(0), np.uint8)

    def release(self) -> None:
        self.released = True


class FakeCamera:
    """Opens as it is told: a list of levels, or None where it cannot be opened."""

    def __init__(self, *openings: list[int] | None, fps: float = 0.0) -> None:
        self._openings = list(openings)
        self._fps = fps
        self.opened: list[FakeCapture] = []

    def __call__(self) -> FakeCapture:
        levels = self._openings.pop(0) if self._openings else None
        if levels is None:
            raise SourceError("nobody is there")
        self.opened.append(FakeCapture(levels, self._fps))
        return self.opened[-1]


@pytest.fixture
def camera() -> type[FakeCamera]:
    return FakeCamera


async def shots_of(*names: str) -> Shots:
    for name in names:
        yield Shot(name, 0, name.encode())


@pytest.fixture
def make_shots() -> Callable[..., Shots]:
    return shots_of
