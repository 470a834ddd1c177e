"""The progress of a fit, its state for an interruption, and its result."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from models.detector import Detector
from models.fit.errors import FitError

D = TypeVar("D", bound=Detector)


class Stateful(Protocol):
    """An object with torch's pair of state methods."""

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Restores the state."""


class ResumeMismatchError(RuntimeError):
    """An interrupted fit that cannot go on from its state."""


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
    """

    model: D
    curve: list[CurvePoint]
    steps: int
    steps_per_s: float
    seen: tuple[Path, ...]
    calibration: tuple[Path, ...]


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

    def add(self, losses: Tensor) -> None:
        """Adds one step's losses [n], in the order of the names."""
        self._sums += losses.detach()

    def close(self, step: int, **others: float) -> None:
        """Appends the averages after `step` steps to the curve, with other figures.

        Raises:
            FitError: a figure is not finite.
        """
        averages = self._sums / (step - (self.curve[-1].step if self.curve else 0))
        figures = {**dict(zip(self._names, averages.tolist(), strict=True)), **others}
        if not all(math.isfinite(value) for value in figures.values()):
            raise FitError(f"the loss was not finite before step {step}: lower the learning rate")
        self.curve.append(CurvePoint(step, figures))
        self._sums.zero_()


def digest_of_names(paths: Iterable[Path]) -> str:
    """SHA-256 of the pictures' names, for the fingerprint of a fit."""
    return hashlib.sha256(b"\n".join(os.fsencode(path.name) for path in paths)).hexdigest()


def digest_of_weights(weights: Iterable[Tensor], settings: str = "") -> str:
    """SHA-256 of weights and of the settings of their network, for the fingerprint of a fit."""
    digest = hashlib.sha256(settings.encode())
    for weight in weights:
        digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


class Resume:
    """The file beside the output in which a fit keeps its state.

    The writer of the output deletes the file afterwards; until then nothing is lost.

    Args:
        output: checkpoint being made; the state lies at `<output>.resume`.
        fingerprint: options that shape the fit; a state with others is refused.
        parts: objects with state, by name.
    """

    def __init__(
        self, output: Path, fingerprint: dict[str, Any], parts: dict[str, Stateful]
    ) -> None:
        self.path = output.with_name(output.name + ".resume")
        self._fingerprint = fingerprint
        self._parts = parts

    def load(self) -> tuple[int, list[CurvePoint]]:
        """Restores the state: the step to go on from (0 for a new fit), and the curve up to it.

        Raises:
            ResumeMismatchError: the state was written with other options, or it is damaged.
        """
        if not self.path.exists():
            return 0, []
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            kept = state["fingerprint"]
        except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
            raise ResumeMismatchError(
                f"{self.path} is damaged: delete it to start again"
            ) from error
        if kept != self._fingerprint:
            others = [k for k in self._fingerprint if kept.get(k) != self._fingerprint[k]]
            raise ResumeMismatchError(
                f"{self.path} is of a fit with other options ({', '.join(others)}): "
                "give the same ones to go on, or delete it to start again"
            )
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        return state["step"], [CurvePoint(**point) for point in state["curve"]]

    def save(self, step: int, curve: list[CurvePoint]) -> None:
        """Writes the state after `step` steps; a failure leaves the former file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".part")
        state = {
            "fingerprint": self._fingerprint,
            "step": step,
            "curve": [asdict(point) for point in curve],
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
        }
        # Through memory, since torch turns a full disk into an error that does not say so.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        try:
            unfinished.write_bytes(buffer.getbuffer())
            os.replace(unfinished, self.path)
        finally:
            unfinished.unlink(missing_ok=True)


class Steps(Protocol):
    """An object that knows how many steps a fit takes; the number may change on the way."""

    @property
    def steps(self) -> int:
        """Number of steps of the whole fit."""


class Progress:
    """A bar on standard error: steps, pace, ETA and the latest figures.

    >>> from models.fit.teacher.options import TeacherOptions
    >>> list(Progress("teacher", TeacherOptions(steps=5), done=2, quiet=True))
    [2, 3, 4]
    """

    def __init__(self, what: str, schedule: Steps, *, done: int = 0, quiet: bool = False) -> None:
        self._bar = tqdm(initial=done, desc=what, unit="step", disable=quiet or None)
        self._schedule = schedule
        self._done = done
        self._start_s = time.perf_counter()
        self._taken = 0

    def __iter__(self) -> Iterator[int]:
        """Yields the number of each remaining step, counted from 0, and moves the bar after it."""
        self._start_s = time.perf_counter()
        step = self._done
        try:
            while step < self._schedule.steps:
                yield step
                step += 1
                self._taken += 1
                self._bar.total = self._schedule.steps
                self._bar.update()
        finally:
            self._bar.close()

    @property
    def steps_per_s(self) -> float:
        """Pace of the steps taken here, looks at held-out pictures included."""
        return self._taken / max(time.perf_counter() - self._start_s, 1e-9)

    def show(self, **figures: float) -> None:
        """Shows figures beside the bar."""
        self._bar.set_postfix({name: f"{value:.3g}" for name, value in figures.items()})


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """Writes the loss curve as CSV: `step` and one column for each figure."""
    names = list(curve[0].figures) if curve else []
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *names])
        for point in curve:
            writer.writerow([point.step, *(f"{point.figures[name]:.6g}" for name in names)])
