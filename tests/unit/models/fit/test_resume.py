from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from takt_models.fit.progress import CurvePoint
from takt_models.fit.resume import OLDEST_S, Resume, ResumeMismatchError


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Part:
    def __init__(self) -> None:
        self.value = 0

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.value = state_dict["value"]


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """Ctrl-C as at a terminal: a shell has what runs in its background ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def part() -> Part:
    return Part()


@pytest.fixture
def resume(tmp_path: Path, clock: Clock, part: Part) -> Resume:
    return Resume(tmp_path / "m.safetensors", {"seed": 0}, {"part": part}, clock)


def kept_step(resume: Resume) -> int:
    return resume.load()[0]


def test_a_state_is_kept_as_soon_as_the_last_one_is_old(resume: Resume, clock: Clock) -> None:
    with resume.on_interrupt():
        clock.now_s += OLDEST_S - 1
        resume.step_done(1, [], keep=False)
        assert not resume.path.exists()
        clock.now_s += 1
        resume.step_done(2, [], keep=False)
        assert kept_step(resume) == 2
        clock.now_s += OLDEST_S - 1
        resume.step_done(3, [], keep=False)
        assert kept_step(resume) == 2
        resume.step_done(4, [], keep=True)
        assert kept_step(resume) == 4


def test_a_state_is_never_older_than_30_seconds_even_with_slow_steps() -> None:
    slow_step_s = 10
    assert OLDEST_S + slow_step_s <= 30


def test_ctrl_c_ends_the_fit_after_the_step_with_its_state_kept(resume: Resume, part: Part) -> None:
    with pytest.raises(KeyboardInterrupt), resume.on_interrupt():
        signal.raise_signal(signal.SIGINT)
        part.value = 7
        resume.step_done(1, [CurvePoint(1, {"loss": 0.5})], keep=False)
    part.value = 0
    assert resume.load() == (1, [CurvePoint(1, {"loss": 0.5})])
    assert part.value == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once(resume: Resume) -> None:
    with resume.on_interrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_handler_of_somebody_else_stays(resume: Resume) -> None:
    caught: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, _frame: caught.append(number))
    try:
        with resume.on_interrupt():
            signal.raise_signal(signal.SIGINT)
            resume.step_done(1, [], keep=False)
    finally:
        signal.signal(signal.SIGINT, former)
    assert caught == [signal.SIGINT]


def test_a_state_of_another_version_is_refused_with_the_way_out(resume: Resume) -> None:
    resume.path.parent.mkdir(exist_ok=True)
    torch.save({"fingerprint": {"seed": 0}, "step": 3, "curve": [], "parts": {}}, resume.path)
    with pytest.raises(ResumeMismatchError, match=r"another version of Takt: .* delete it"):
        resume.load()
