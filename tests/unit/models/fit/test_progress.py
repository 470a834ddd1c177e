from __future__ import annotations

import io
import math
from dataclasses import dataclass

import pytest
import torch

from takt_models.fit.errors import FitError
from takt_models.fit.optim.schedule import UNKNOWN
from takt_models.fit.progress import LINE_EVERY_S, MEASURING, AveragedLosses, Progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Planned:
    steps: int


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(schedule: Planned, seconds_a_step: float, steps: int, known_after: int = 0) -> None:
    clock = Clock()
    progress = Progress("parts", schedule, clock=clock)
    for step in progress:
        if step == known_after:
            schedule.steps = steps
        progress.show(loss=0.5)
        clock.now_s += seconds_a_step


def test_without_a_terminal_there_is_a_line_every_30_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(Planned(100), seconds_a_step=2.0, steps=100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 200 / LINE_EVERY_S // 1
    assert lines[0] == "parts: step 15 of 100, 0.5 a second, 02:50 left, loss 0.5"


def test_a_short_run_without_a_terminal_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run(Planned(10), seconds_a_step=2.0, steps=10)
    assert capsys.readouterr().err == ""


def test_while_the_pace_is_measured_a_line_has_no_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(Planned(UNKNOWN), seconds_a_step=31.0, steps=4, known_after=1)
    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"parts: step 1, {MEASURING}, loss 0.5"
    assert all("left" in line for line in others)


def test_a_bar_shows_a_total_and_a_time_left_once_the_pace_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)
    run(Planned(UNKNOWN), seconds_a_step=1.0, steps=4, known_after=2)
    first, *_, last = terminal.getvalue().strip().split("\r")
    assert MEASURING in first
    assert "?" not in first.partition(MEASURING)[0]
    assert str(UNKNOWN) not in terminal.getvalue()
    assert "4/4" in last
    assert MEASURING not in last


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Progress("parts", 2, quiet=True)) == [0, 1]
    assert capsys.readouterr().err == ""


def test_the_pace_counts_the_steps_of_this_call_only() -> None:
    clock = Clock()
    progress = Progress("parts", 10, done=6, quiet=True, clock=clock)
    for _ in progress:
        clock.now_s += 0.5
    assert progress.steps_per_s == pytest.approx(2.0)


def test_losses_go_on_from_their_state_in_the_middle_of_a_curve() -> None:
    whole, first, second = (AveragedLosses(["a"], [], torch.device("cpu")) for _ in range(3))
    first.add(torch.tensor([1.0]))
    second.load_state_dict(first.state_dict())
    second.add(torch.tensor([3.0]))
    for value in (1.0, 3.0):
        whole.add(torch.tensor([value]))
    for losses in (whole, second):
        losses.close(2)
    assert second.curve == whole.curve


def test_a_loss_that_is_not_finite_makes_no_state() -> None:
    losses = AveragedLosses(["a"], [], torch.device("cpu"))
    losses.add(torch.tensor([math.nan]))
    with pytest.raises(FitError, match="lower the learning rate"):
        losses.state_dict()
