"""The progress of a fit, and its result."""

from __future__ import annotations

import csv
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.detector import Detector
from takt_models.fit.errors import FitError
from takt_models.fit.optim.schedule import UNKNOWN

D = TypeVar("D", bound=Detector)

LINE_EVERY_S = 30.0
"""Time between two lines where there is no terminal."""

MEASURING = "measuring the pace"

_LOWER = "lower the learning rate (--learning-rate of `takt fit`)"


@dataclass(frozen=True)
class CurvePoint:
    """One line of the loss curve: the step, and each figure by its name."""

    step: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Fitted(Generic[D]):
    """A fitted detector.

    Attributes:
        model: detector in eval mode on the CPU, float32; trained weights are exact in float16.
        curve: losses, averaged between saves, and other figures of the fit.
        steps: number of steps taken.
        steps_per_s: pace of the steps of this call, reading and encoding before them left out.
        seen: good pictures that the fit looked at.
        calibration: good pictures that the fit never looked at.
        out_of_fold: maps of those that it looked at, each by the model without it; None if the
            fit makes none.
        good_cells: features of some of these; None if the fit keeps none.
        turned: how each picture was seen besides, such as "left to right".
        kept_step: step whose state the model is; None for the last.
        auroc: image AUROC of that state on held-out pictures, some with made-up defects; None
            without such looks.
    """

    model: D
    curve: list[CurvePoint]
    steps: int
    steps_per_s: float
    seen: tuple[Path, ...]
    calibration: tuple[Path, ...]
    out_of_fold: OutOfFold | None = None
    good_cells: GoodCells | None = None
    turned: tuple[str, ...] = ()
    kept_step: int | None = None
    auroc: float | None = None


class AveragedLosses:
    """The mean of each loss since the curve's last point.

    Args:
        names: names of the losses.
        curve: points of the steps already taken.
        device: device of the losses.

    >>> losses = AveragedLosses(["hard"], [], torch.device("cpu"))
    >>> for value in (1.0, 3.0):
    ...     losses.add(torch.tensor([value]))
    >>> losses.close(2)
    >>> losses.curve
    [CurvePoint(step=2, figures={'hard': 2.0})]
    """

    def __init__(self, names: Sequence[str], curve: list[CurvePoint], device: torch.device) -> None:
        self.curve = curve
        self._names = names
        self._sums = torch.zeros(len(names), device=device)

    def state_dict(self) -> dict[str, Any]:
        """The sums since the curve's last point.

        Raises:
            FitError: a loss was not finite, so that the fit cannot go on from here.
        """
        if not bool(self._sums.isfinite().all()):
            raise FitError(f"a loss was not finite: {_LOWER}")
        return {"sums": self._sums}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Restores the sums."""
        self._sums.copy_(state_dict["sums"])

    def add(self, losses: Tensor) -> None:
        """Adds one step's losses [n], in the order of the names."""
        self._sums += losses.detach()

    def closed_at(self, step: int) -> bool:
        """Whether the curve has a point after `step` steps."""
        return bool(self.curve) and self.curve[-1].step == step

    def close(self, step: int, **others: float) -> None:
        """Appends the averages after `step` steps to the curve, with other figures.

        Raises:
            FitError: a figure is not finite.
        """
        averages = self._sums / (step - (self.curve[-1].step if self.curve else 0))
        figures = {**dict(zip(self._names, averages.tolist(), strict=True)), **others}
        if not all(math.isfinite(value) for value in figures.values()):
            raise FitError(f"the loss was not finite before step {step}: {_LOWER}")
        self.curve.append(CurvePoint(step, figures))
        self._sums.zero_()


class Steps(Protocol):
    """An object that knows how many steps a fit takes; the number may change on the way."""

    @property
    def steps(self) -> int:
        """Number of steps of the whole fit; `UNKNOWN` while the pace is measured."""


class Progress:
    """What a fit shows on standard error: steps, pace, time left and the latest figures.

    On a terminal it is a bar, elsewhere a line every 30 seconds. While the pace is measured, both
    say so, and nothing about the time left.

    Args:
        what: name of what is done.
        schedule: number of steps, or what knows it.
        done: number of steps done before.
        unit: name of one step.
        quiet: whether nothing is shown.
        clock: function that tells the time in seconds.

    >>> list(Progress("teacher", 5, done=2, quiet=True))
    [2, 3, 4]
    """

    def __init__(
        self,
        what: str,
        schedule: Steps | int,
        *,
        done: int = 0,
        unit: str = "step",
        quiet: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._schedule = schedule
        self._done = done
        self._clock = clock
        self._start_s = clock()
        self._taken = 0
        self._shown: _Bar | _Lines | None = None
        if not quiet:
            bar = sys.stderr.isatty()
            self._shown = _Bar(what, unit) if bar else _Lines(what, unit, clock)

    def __iter__(self) -> Iterator[int]:
        """Yields the number of each remaining step, counted from 0, and moves the bar after it."""
        self._start_s = self._clock()
        step = self._done
        try:
            self._show(step)
            while step < self._steps:
                yield step
                step += 1
                self._taken += 1
                self._show(step)
        finally:
            if self._shown is not None:
                self._shown.close()

    @property
    def _steps(self) -> int:
        return self._schedule if isinstance(self._schedule, int) else self._schedule.steps

    @property
    def steps_per_s(self) -> float:
        """Pace of the steps taken here, looks at held-out pictures included."""
        return self._taken / max(self._clock() - self._start_s, 1e-9)

    def show(self, **figures: float) -> None:
        """Shows figures beside the steps from the next one on."""
        if self._shown is not None:
            self._shown.figures = {name: f"{value:.3g}" for name, value in figures.items()}

    def _show(self, step: int) -> None:
        if self._shown is not None:
            total = None if self._steps == UNKNOWN else self._steps
            self._shown.move(step, total, self.steps_per_s)


class _Bar:
    """A bar on a terminal."""

    def __init__(self, what: str, unit: str) -> None:
        self.figures: dict[str, str] = {}
        self._what = what
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def move(self, step: int, total: int | None, _pace: float) -> None:
        what = self._what if total is not None else f"{self._what}, {MEASURING}"
        if self._bar is None:
            self._bar = tqdm(
                desc=what,
                initial=step,
                total=total,
                unit=self._unit,
                dynamic_ncols=True,
                file=sys.stderr,
            )
            return
        self._bar.total = total
        self._bar.set_description_str(what, refresh=False)
        self._bar.set_postfix(self.figures, refresh=False)
        self._bar.update(step - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """Lines in a file: one every 30 seconds."""

    def __init__(self, what: str, unit: str, clock: Callable[[], float]) -> None:
        self.figures: dict[str, str] = {}
        self._what = what
        self._unit = unit
        self._clock = clock
        self._line_s: float | None = None

    def move(self, step: int, total: int | None, pace: float) -> None:
        now_s = self._clock()
        if self._line_s is None:
            self._line_s = now_s
        if now_s - self._line_s < LINE_EVERY_S:
            return
        self._line_s = now_s
        if total is None:
            parts = [f"{self._unit} {step}", MEASURING]
        else:
            left = tqdm.format_interval((total - step) / pace)
            parts = [f"{self._unit} {step} of {total}", f"{pace:.3g} a second", f"{left} left"]
        parts += [f"{name} {value}" for name, value in self.figures.items()]
        print(f"{self._what}: {', '.join(parts)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """Writes the loss curve as CSV: `step` and one column for each figure.

    A cell is empty where a point has no such figure.
    """
    names = list(dict.fromkeys(name for point in curve for name in point.figures))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *names])
        for point in curve:
            figures = {name: f"{value:.6g}" for name, value in point.figures.items()}
            writer.writerow([point.step, *(figures.get(name, "") for name in names)])
