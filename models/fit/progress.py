"""What a fit tells while it runs, and how it survives an interruption."""

from __future__ import annotations

import csv
import io
import os
import pickle
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm


class Stateful(Protocol):
    """Anything with torch's pair of state methods."""

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Put that state back."""


class ResumeMismatchError(RuntimeError):
    """An interrupted fit cannot go on from its state."""


@dataclass(frozen=True)
class CurvePoint:
    """One line of the loss curve: the step, and each figure by its name."""

    step: int
    figures: dict[str, float]


class Resume:
    """The file beside the output in which a fit keeps its state.

    Who writes the output deletes the file once that is done; until then nothing is lost.

    Args:
        output: the checkpoint being made; the state lies at `<output>.resume`.
        fingerprint: the options that shape the fit; resuming with others is refused.
        parts: what has state, by name.
    """

    def __init__(
        self, output: Path, fingerprint: dict[str, Any], parts: dict[str, Stateful]
    ) -> None:
        self.path = output.with_name(output.name + ".resume")
        self._fingerprint = fingerprint
        self._parts = parts

    def load(self) -> tuple[int, list[CurvePoint]]:
        """The step to go on from (0 for a new fit), and the curve up to it.

        Raises:
            ResumeMismatchError: the state was written with other options, or is damaged.
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
        """Write the state after `step` steps; the file is whole or the former one."""
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
    """Who knows how many steps there will be; the number may change on the way."""

    @property
    def steps(self) -> int:
        """All of them."""


class Progress:
    """A bar with steps, pace, ETA and the latest figures, on standard error."""

    def __init__(self, what: str, schedule: Steps, *, done: int = 0, quiet: bool = False) -> None:
        self._bar = tqdm(initial=done, desc=what, unit="step", disable=quiet or None)
        self._schedule = schedule
        self._done = done
        self._start_s = time.perf_counter()
        self._taken = 0

    def __iter__(self) -> Iterator[int]:
        """Each remaining step's number, from 0; the bar moves on after it."""
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
        """Of the steps taken here, looks at held-out pictures included."""
        return self._taken / max(time.perf_counter() - self._start_s, 1e-9)

    def show(self, **figures: float) -> None:
        """Figures beside the bar."""
        self._bar.set_postfix({name: f"{value:.3g}" for name, value in figures.items()})


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """The loss curve as CSV: `step` and one column for each figure."""
    names = list(curve[0].figures) if curve else []
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *names])
        for point in curve:
            writer.writerow([point.step, *(f"{point.figures[name]:.6g}" for name in names)])
