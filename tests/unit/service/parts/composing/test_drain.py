from __future__ import annotations

from takt.parts.composing.drain import Drain


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_it_begins_when_it_is_asked_first() -> None:
    clock = Clock()
    drain = Drain(2.0, clock)
    clock.now_s += 50
    assert drain.left_s() == 2.0
    clock.now_s += 1.5
    assert drain.left_s() == 0.5


def test_nothing_is_left_once_it_is_over() -> None:
    clock = Clock()
    drain = Drain(2.0, clock)
    drain.left_s()
    clock.now_s += 10
    assert drain.left_s() == 0.0
