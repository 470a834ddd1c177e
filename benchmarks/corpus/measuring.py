"""One set: its pictures, features, fits and figures."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.features import Known, known_features
from benchmarks.corpus.figures import SeedFigures, SetFigures, other_time_p, rates_of
from benchmarks.corpus.fitted import Distances, answered, fitted, with_encoder
from benchmarks.corpus.kept_fits import KeptFit
from benchmarks.corpus.locators import Grays, Located, grays_in
from benchmarks.corpus.sets import Pictures, pictures_of
from benchmarks.corpus.settings import Setting
from benchmarks.corpus.speed import write_for_timing
from takt_export.evaluation.aupro import PixelCounts, PixelMetrics
from takt_export.evaluation.evaluate import defect_mask
from takt_export.evaluation.pixels import SIDE, compare
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.encoders import PatchCoreEncoder


@dataclass(frozen=True)
class Task:
    """What is to be measured.

    Attributes:
        root: folder of the set.
        setting: of the fit.
        seeds: number of seeds, counted from 0.
        scratch: folder of what is kept.
        graph: where the graph of the first fit goes, to be timed; None for nowhere.
        pixels: whether maps are compared with masks.
    """

    root: Path
    setting: Setting
    seeds: int
    scratch: Path
    graph: Path | None = None
    pixels: bool = True


@dataclass(frozen=True)
class Scores:
    """What a set's fits have said, to compare settings by.

    Attributes:
        names: paths of the tested pictures in the set, [m].
        defective: which of them are, [m].
        scores: their scores, by seed [s,m].
        peaks: the highest values of their maps, by seed [s,m].
        good_scores: out-of-fold scores of the good parts, by seed [s,n].
        good_peaks: the highest values of their maps, by seed [s,n].
    """

    names: NDArray[np.str_]
    defective: NDArray[np.bool_]
    scores: NDArray[np.float32]
    peaks: NDArray[np.float32]
    good_scores: NDArray[np.float32]
    good_peaks: NDArray[np.float32]


def encode(task: Task) -> float:
    """Makes sure that a set's features are on disk; returns the seconds that it took."""
    started_s = time.perf_counter()
    pictures = pictures_of(task.root)
    encoder = task.setting.encoder_for(pictures.good, compute())
    known_features(pictures.paths, encoder, task.scratch)
    return time.perf_counter() - started_s


def measure(task: Task) -> tuple[SetFigures, Scores]:
    """Fits with each seed, and measures.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        return _measured(task)


@dataclass(frozen=True)
class Subject:
    """A set with its features, of which models are learned.

    Attributes:
        task: what is to be measured.
        pictures: of the set.
        encoder: settings of the models.
        known: features of the pictures.
    """

    task: Task
    pictures: Pictures
    encoder: PatchCoreEncoder
    known: Known

    @classmethod
    def of(cls, task: Task) -> Subject:
        """The set of a task.

        Raises:
            CorpusError: the setting cannot be had.
            PicturesError: a picture cannot be read.
        """
        pictures = pictures_of(task.root)
        encoder = task.setting.encoder_for(pictures.good, compute())
        known = known_features(pictures.paths, encoder, task.scratch)
        return cls(task, pictures, encoder, known)

    @property
    def good(self) -> NDArray[np.int64]:
        """Numbers of the good pictures, [n]."""
        return np.arange(len(self.pictures.good))

    @property
    def tested(self) -> NDArray[np.int64]:
        """Numbers of the tested pictures, [m]."""
        return np.arange(len(self.pictures.good), len(self.pictures.paths))

    @property
    def defective(self) -> NDArray[np.bool_]:
        """Which of the tested pictures are, [m]."""
        return np.array([sample.defect is not None for sample in self.pictures.tested])

    @cached_property
    def located(self) -> Located:
        """The locator that models of all good pictures have."""
        good = self.pictures.good
        return Located.of(self.grays[: len(good)], good, self.pictures.part, self.encoder)

    @property
    def grays(self) -> Grays:
        """All pictures, gray: the good ones, then the tested ones."""
        files = ((path, path.read_bytes()) for path in self.pictures.paths)
        return grays_in(self.known.folder, files, self.encoder)

    def learned(
        self,
        seed: int,
        good: NDArray[np.int64] | None = None,
        part: Sequence[int] | None = None,
        tested: NDArray[np.int64] | None = None,
    ) -> Distances:
        """The distances of a model, fitted or kept.

        Args:
            seed: of the fit.
            good: numbers of the pictures to fit on; all good ones if None.
            part: number of the part that each of them shows.
            tested: numbers of the pictures to ask about; all tested ones if None.

        Raises:
            FitError: the pictures do not do.
        """
        options = self.task.setting.options(seed)
        chosen = (self.good if good is None else good).tolist()
        parts = [*(self.pictures.part if part is None else part)]
        asked = (self.tested if tested is None else tested).tolist()

        def fit() -> Distances:
            further = self.task.setting.further
            model, distances = fitted(
                self.known, chosen, parts, asked, self.encoder, options, further
            )
            if seed == 0 and self.task.graph is not None:
                write_for_timing(with_encoder(model, self.encoder), self.task.graph)
            return distances

        if self.task.graph is not None:
            return fit()
        facts = (self.task.setting.fit_text, self.encoder.config, options, chosen, parts, asked)
        return KeptFit(self.known.folder, repr(facts)).get(fit)


def _measured(task: Task) -> tuple[SetFigures, Scores]:
    subject = Subject.of(task)
    pictures, defective = subject.pictures, subject.defective
    seeds, kept = [], []
    for seed in range(task.seeds):
        distances = subject.learned(seed)
        new = subject.located.new_content(subject.grays[subject.tested])
        answers = answered(distances, subject.encoder, new)
        good = answers.good
        pixel = _pixel_metrics(pictures, subject.known, answers.maps) if task.pixels else None
        seeds.append(
            SeedFigures(
                seed=seed,
                image_auroc=float(roc_auc_score(defective, answers.scores)),
                pixel_auroc=None if pixel is None else pixel.auroc,
                aupro_30=None if pixel is None else pixel.aupro_30,
                rates=rates_of(answers.limits, answers.scores, answers.peaks, defective),
                out_of_fold=len(good.score),
                other_time_p=other_time_p(good.score, answers.scores, defective),
                fit_s=distances.fit_s,
            )
        )
        kept.append((answers.scores, answers.peaks, good.score, good.peak))
    figures = SetFigures(
        name=pictures.name,
        good=len(pictures.good),
        tested_good=int((~defective).sum()),
        defective=int(defective.sum()),
        size=f"{subject.encoder.config.width}x{subject.encoder.config.height}",
        seeds=tuple(seeds),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    scores, peaks, good_scores, good_peaks = map(np.stack, zip(*kept, strict=True))
    names = np.array(pictures.tested_names)
    return figures, Scores(names, defective, scores, peaks, good_scores, good_peaks)


def _pixel_metrics(
    pictures: Pictures, known: Known, maps: NDArray[np.float32]
) -> PixelMetrics | None:
    """As `takt eval` has them; None if no picture has a mask.

    All maps are raised to 1 and more. That changes no order, and numbers on both sides of 0, of
    which floats tell millions apart, would take several times as long to count.
    """
    if not any(sample.masks for sample in pictures.tested):
        return None
    counts = PixelCounts()
    raised = maps + (1 - maps.min())
    for number, sample in enumerate(pictures.tested):
        turn = len(pictures.good) + number
        width, height = known.sizes[turn].tolist()
        mask = defect_mask(sample, width, height)
        if mask is not None:
            counts.add(compare(raised[number], mask, known.placed[turn], SIDE))
    return counts.metrics()


def compute() -> Compute:
    """The device of all fits."""
    return Compute.choose("cpu", bf16=False)
