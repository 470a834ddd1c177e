"""What detectors answered, kept on disk, so that a run goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.measuring import Task
from benchmarks.corpus.moves import AS_IT_IS
from benchmarks.corpus.peers.detectors import DETECTORS, Answer
from benchmarks.corpus.peers.worlds import WORLDS, has_world, world_of
from benchmarks.corpus.sets import CorpusError
from benchmarks.splits import code_digest
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.witnesses import anomalous

MAKING = ("worlds.py", "detectors.py", "anomalib_side.py")
"""Modules that an answer hangs on."""


@dataclass(frozen=True)
class Shares:
    """Shares of the asked pictures that are rejected."""

    rejected: float
    found: float


@dataclass(frozen=True)
class Outcome:
    """What a detector answered in a world of a set.

    Attributes:
        answer: what it said; None where it could not be asked.
        reason: why not.
        learned: good pictures that the world has to learn from.
        defective: which of the asked pictures show a defect, [m].
        shows: the movement that each shows, [m].
    """

    answer: Answer | None
    reason: str
    learned: int
    defective: Sequence[bool]
    shows: Sequence[str]

    @classmethod
    def loaded(cls, path: Path) -> Outcome:
        """The outcome in a file."""
        plain = json.loads(path.read_text())
        answer = plain.pop("answer")
        return cls(answer=None if answer is None else Answer(**answer), **plain)

    @property
    def auroc(self) -> float | None:
        """Of the scores, the mean over the movements that pictures show."""
        if self.answer is None:
            return None
        score, shows = np.array(self.answer.asked[0]), np.array(self.shows)
        defective = np.array(self.defective)
        each = [
            float(roc_auc_score(defective[shows == name], score[shows == name]))
            for name in sorted({*self._moved})
        ]
        return float(np.mean(each))

    def shares(self, pair: ThresholdPair) -> Shares:
        """What thresholds reject and find."""
        assert self.answer is not None
        some = np.isin(np.array(self.shows), self._moved)
        rejected: NDArray[np.bool_] = anomalous(pair, *np.array(self.answer.asked, np.float32))
        defective = np.array(self.defective)
        return Shares(
            float(rejected[some & ~defective].mean()), float(rejected[some & defective].mean())
        )

    @property
    def _moved(self) -> list[str]:
        """The movements that count: of moved pictures not those that lie as they were learned."""
        names = dict.fromkeys(self.shows)
        return [name for name in names if name != AS_IT_IS or len(names) == 1]


@dataclass(frozen=True)
class Ask:
    """A detector in a world of a set.

    Attributes:
        task: the set, with the size of the input.
        world: its name.
        detector: its name.
        interpreter: that has anomalib; None if there is none.
        out: folder of the outcomes.
    """

    task: Task
    world: str
    detector: str
    interpreter: Path | None
    out: Path

    @property
    def path(self) -> Path:
        """The file of the outcome; other code has another one."""
        digest = hashlib.sha256(f"{self.task.setting.text} {code_digest()}".encode())
        for name in MAKING:
            digest.update((Path(__file__).parent / name).read_bytes())
        words = [self.task.root.name, self.world, self.detector, digest.hexdigest()[:8]]
        return self.out / f"{'-'.join(words).replace(' ', '_').replace(',', '')}.json"

    def outcome(self) -> Outcome:
        """What the detector answers."""
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        world = world_of(self.task, self.world)
        found = Outcome(None, "", len(world.learned), world.defective.tolist(), [*world.shows])
        try:
            return replace(found, answer=DETECTORS[self.detector](world, self.interpreter))
        except CorpusError as error:
            return replace(found, reason=str(error))


def asks(tasks: Sequence[Task], interpreter: Path | None, out: Path) -> Iterator[Ask]:
    """Every detector in every world that a set has, one world after another."""
    for world in WORLDS:
        for task in tasks:
            if has_world(task.root, world):
                for detector in DETECTORS:
                    yield Ask(task, world, detector, interpreter, out)


def answered(every: Sequence[Ask], processes: int) -> None:
    """Asks what is not kept yet, and keeps it.

    Args:
        every: what to ask.
        processes: how many at a time, a new one for each, whose memory tells of it alone; 0 asks in
            this one.
    """
    todo = [ask for ask in every if not ask.path.is_file()]
    # Features first, so that no detector's memory or time has the encoder's.
    worlds = {(ask.task.root, ask.world): ask for ask in todo}
    if not processes:
        for ask in todo:
            _keep(ask, ask.outcome())
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        for made in as_completed([pool.submit(_features, ask) for ask in worlds.values()]):
            made.result()
        running = {pool.submit(ask.outcome): ask for ask in todo}
        for done in as_completed(running):
            _keep(running[done], done.result())


def _keep(ask: Ask, found: Outcome) -> None:
    """Writes an outcome down; what could not be asked may be asked again."""
    if found.answer is not None:
        ask.out.mkdir(parents=True, exist_ok=True)
        part = ask.path.with_suffix(".part")
        part.write_text(json.dumps(asdict(found)))
        part.replace(ask.path)
    print(f"{ask.task.root.name}, {ask.world}: {ask.detector} {found.reason}", flush=True)


def _features(ask: Ask) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    world_of(ask.task, ask.world)
