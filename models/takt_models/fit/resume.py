"""The state of a fit, kept beside its output, from which an interrupted fit goes on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor

from takt_models.fit.progress import CurvePoint

STATE_FORMAT = 3
OLDEST_S = 20.0
"""Age of the kept state after which the next step's end keeps a newer one."""


class Stateful(Protocol):
    """An object with torch's pair of state methods."""

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Restores the state."""


class ResumeMismatchError(RuntimeError):
    """An interrupted fit that cannot go on from its state."""


def digest_of_names(paths: Iterable[Path]) -> str:
    """SHA-256 of the pictures' names, for the fingerprint of a fit."""
    return hashlib.sha256(b"\n".join(os.fsencode(path.name) for path in paths)).hexdigest()


def digest_of_good(paths: Sequence[Path], digests: Mapping[Path, str] | None) -> str:
    """SHA-256 of what good pictures show, for the fingerprint of a fit.

    Cameras count up anew in each folder: another one has other pictures of the same names.

    Args:
        paths: the pictures, in the order of the fit.
        digests: of each one's content; None where it is not known, and names stand for it.
    """
    if digests is None:
        return digest_of_names(paths)
    return hashlib.sha256("\n".join(digests[path] for path in paths).encode()).hexdigest()


def digest_of_weights(weights: Iterable[Tensor], settings: str = "") -> str:
    """SHA-256 of weights and of the settings of their network, for the fingerprint of a fit."""
    digest = hashlib.sha256(settings.encode())
    for weight in weights:
        digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


class Resume:
    """The file beside the output in which a fit keeps its state.

    The writer of the output deletes the file afterwards; until then nothing is lost. A fit keeps
    its state where its curve has a point, 20 seconds after it was kept last, and on Ctrl-C.

    Args:
        output: checkpoint being made; the state lies at `<output>.resume`.
        fingerprint: options that shape the fit; a state with others is refused.
        parts: objects with state, by name.
        clock: function that tells the time in seconds.
    """

    def __init__(
        self,
        output: Path,
        fingerprint: dict[str, Any],
        parts: dict[str, Stateful],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = output.with_name(output.name + ".resume")
        self._fingerprint = fingerprint
        self._parts = parts
        self._clock = clock
        self._kept_s = clock()
        self._interrupted = False

    def load(self) -> tuple[int, list[CurvePoint]]:
        """Restores the state: the step to go on from (0 for a new fit), and the curve up to it.

        Raises:
            ResumeMismatchError: the state was written with other options or by another version of
                Takt, or it is damaged.
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
        if state.get("format") != STATE_FORMAT:
            raise ResumeMismatchError(
                f"{self.path} was written by another version of Takt: go on with that version, or "
                "delete it to start again"
            )
        if kept != self._fingerprint:
            others = [k for k in self._fingerprint if kept.get(k) != self._fingerprint[k]]
            raise ResumeMismatchError(
                f"{self.path} is of a fit with other options ({', '.join(others)}): "
                "give the same ones to go on, or delete it to start again"
            )
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        return state["step"], [CurvePoint(**point) for point in state["curve"]]

    @contextlib.contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Holds a first Ctrl-C back until the step is done and its state kept.

        A second one stops at once. Where this is not the main thread, or somebody else handles the
        signal, nothing is held back.
        """
        former = signal.getsignal(signal.SIGINT)
        ours = (
            threading.current_thread() is threading.main_thread()
            and former is signal.default_int_handler
        )

        def hold_back(_number: int, _frame: FrameType | None) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        if ours:
            signal.signal(signal.SIGINT, hold_back)
        # The time before the first step leaves nothing to keep.
        self._kept_s = self._clock()
        try:
            yield
        finally:
            if ours:
                signal.signal(signal.SIGINT, former)

    def step_done(self, step: int, curve: list[CurvePoint], *, keep: bool) -> None:
        """Keeps the state after `step` steps if `keep` says so, if it is time, or on Ctrl-C.

        Raises:
            KeyboardInterrupt: a Ctrl-C was held back; the state is kept now.
        """
        if keep or self._interrupted or self._clock() - self._kept_s >= OLDEST_S:
            self.save(step, curve)
        if self._interrupted:
            raise KeyboardInterrupt

    def save(self, step: int, curve: list[CurvePoint]) -> None:
        """Writes the state after `step` steps; a failure leaves the former file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".part")
        state = {
            "format": STATE_FORMAT,
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
        self._kept_s = self._clock()
