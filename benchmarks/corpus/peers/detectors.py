"""Who answers: Takt's bank as it learns, the same from a half, and two detectors of anomalib."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.corpus.peers.worlds import World
from benchmarks.corpus.sets import CorpusError
from benchmarks.splits import KnownSet, Task, fit_known, witnesses_of
from takt.core.bundles.conformal import calibrate, needed_for
from takt.core.bundles.thresholds import ThresholdPair
from takt_export.calibration.cross_conformal import joint_thresholds
from takt_models.patchcore.detector import PatchCore

Witnesses = list[list[float]]
"""Scores and highest map values of pictures, [2,n]; the scores twice of one without maps."""

ANOMALIB_SIDE = Path(__file__).with_name("anomalib_side.py")

SHARE = 0.01
"""Share of the cells in the bank of anomalib's PatchCore; its default, 0.1, takes ten times as
long."""


@dataclass(frozen=True)
class Answer:
    """What a detector says of a world.

    Attributes:
        good: of good pictures that it has not seen: out of fold, or held back.
        held: how many of them were held back; 0 where they are out of fold.
        asked: of the pictures that it was asked about, [2,m].
        own: its own threshold of the score; None where it takes Takt's.
        learning_s: processor seconds, without the encoder's.
        ms: processor milliseconds of a picture after the encoder, one at a time.
        kept_mb: of what it keeps.
        peak_mb: largest memory of the process that learned and answered, all of it.
    """

    good: Witnesses
    held: int
    asked: Witnesses
    own: float | None
    learning_s: float
    ms: float
    kept_mb: float
    peak_mb: float

    def thresholds(self, alpha: float) -> ThresholdPair | None:
        """Those that Takt takes of such pictures at a rate; None where they are too few."""
        score, peak = np.array(self.good, np.float32)
        if len(score) < needed_for(alpha):
            return None
        return calibrate(score, peak, alpha) if self.held else joint_thresholds(score, peak, alpha)


Detector = Callable[[World, Path | None], Answer]
"""The world, and the interpreter that has anomalib -> what the detector says."""


def bank(world: World, interpreter: Path | None) -> Answer:
    """Takt's bank of all learned pictures, each of which is scored out of fold."""
    return _by_bank(world, world.learned, (), world.lots)


def bank_of_half(world: World, interpreter: Path | None) -> Answer:
    """Takt's bank of the first half of the learned pictures; the others are held back."""
    half, held = halves(world.learned)
    return _by_bank(world, half, held, None)


@torch.no_grad()
def _by_bank(
    world: World, learned: Sequence[int], held: Sequence[int], lots: Sequence[str] | None
) -> Answer:
    good = KnownSet(world.encoder, world.layers, world.copies, len(world.layers[0]))
    started_s = time.process_time()
    filled = fit_known(good, Task(Path()), learned, 0, lots)
    learning_s = time.process_time() - started_s
    model = filled.model
    of_good = good.maps(model, held) if held else filled.out_of_fold.maps
    asked = KnownSet(world.encoder, world.asked, (), 0)
    started_s = time.process_time()
    maps = asked.maps(model, range(len(world.asked[0])))
    ms = 1000 * (time.process_time() - started_s) / len(maps)
    if world.new is not None:
        maps = torch.where(torch.from_numpy(world.new()), maps.clamp_max(0), maps)
    return Answer(
        good=witnesses_of(model, of_good),
        held=len(held),
        asked=witnesses_of(model, maps),
        own=None,
        learning_s=learning_s,
        ms=ms,
        kept_mb=_kept_mb(model),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _kept_mb(model: PatchCore) -> float:
    """What a model keeps besides its encoder."""
    encoder = {id(tensor) for tensor in model.encoder.state_dict(keep_vars=True).values()}
    tensors = model.state_dict(keep_vars=True).values()
    kept = [one for one in tensors if id(one) not in encoder]
    return float(sum(one.numel() * one.element_size() for one in kept)) / 1e6


def _of_anomalib(name: str) -> Detector:
    def answer(world: World, interpreter: Path | None) -> Answer:
        """Anomalib's, of the first half; its threshold and Takt's rest on the others.

        Raises:
            CorpusError: there is no such interpreter, or anomalib failed.
        """
        if interpreter is None:
            raise CorpusError("not asked: --anomalib names no interpreter that has it")
        half, held = halves(world.learned)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write(folder, "learned", [layer[[*half]] for layer in world.layers])
            _write(folder, "held", [layer[[*held]] for layer in world.layers])
            _write(folder, "asked", world.asked)
            command = [str(interpreter), str(ANOMALIB_SIDE), scratch, name, str(SHARE)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["it said nothing"]
                raise CorpusError(f"anomalib failed: {lines[-1]}")
            told = json.loads((folder / "answer.json").read_text())
        facts = {key: told[key] for key in ("own", "learning_s", "ms", "kept_mb", "peak_mb")}
        return Answer(good=[told["held"]] * 2, held=len(held), asked=[told["scores"]] * 2, **facts)

    return answer


def _write(folder: Path, name: str, layers: Sequence[NDArray[np.float16]]) -> None:
    for number, layer in enumerate(layers):
        np.save(folder / f"{name}-{number}.npy", layer)


def halves(learned: Sequence[int]) -> tuple[list[int], list[int]]:
    """A half to learn from and one to hold back, as anomalib divides a folder of good pictures.

    >>> halves([5, 3, 1])
    ([5], [3, 1])
    """
    return [*learned[: len(learned) // 2]], [*learned[len(learned) // 2 :]]


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        "Takt": bank,
        "Takt, of a half": bank_of_half,
        "PatchCore of anomalib": _of_anomalib("patchcore"),
        "PaDiM of anomalib": _of_anomalib("padim"),
    }
)
"""By name, in the order of the tables."""
