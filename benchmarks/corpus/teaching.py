"""A head that judged defects teach, on each set: what it finds that the bank alone misses.

Half of a set's defects is fixed beforehand as the test. The judged ones are drawn from the other
half, those that the bank alone misses first, as these are what people judge. The product's own code
learns the head and its thresholds, leaves it out where it does not pay, and says what
it and the bank together find at the same α.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.corpus.fitted import answered, known_model, numbered
from benchmarks.corpus.lessons import BARS, Lesson, SplitRates, TaughtFigures, WrongLesson
from benchmarks.corpus.measuring import Subject, Task, compute
from takt.core.bundles.conformal import needed_for
from takt.core.bundles.thresholds import ThresholdPair
from takt_export.calibration.cross_conformal import joint_thresholds
from takt_export.families.patchcore.scaled_head import GoodParts, ScaledHead, out_of_fold
from takt_export.learning.teaching.verdicts import HeadGain, Verdicts
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.fit.patchcore.cells import good_cells
from takt_models.fit.patchcore.directions import GoodStatistics, OddestCells
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.looked import Looked, looked_at

COUNTS = tuple(BARS)
"""Numbers of judged defects; all there are where these are fewer."""

WRONG = 2
"""Good pictures among the most judged ones that are judged defects by mistake."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What is to be measured of a set besides.

    Attributes:
        draws: number of draws of judged defects.
        wrong: whether some judgements are wrong as well.
        splits: number of splits of the good parts; 0 for none.
    """

    draws: int = 20
    wrong: bool = False
    splits: int = 0


@dataclass(frozen=True)
class Pupil:
    """A fitted bank, and the pictures of its set that it was asked about.

    Attributes:
        name: of the set.
        good: good parts.
        alone: thresholds of the bank alone, by α.
        looked: what the bank sees in the tested pictures, [m].
        oddest: the oddest cells of each.
        defective: which of them are, [m].
        tested: numbers of the defects that are the test.
        others: numbers of the defects that may be judged.
    """

    name: str
    good: GoodParts
    alone: Mapping[float, ThresholdPair]
    looked: tuple[Looked, ...]
    oddest: OddestCells
    defective: NDArray[np.bool_]
    tested: Numbers
    others: Numbers

    @classmethod
    @torch.no_grad()
    def of(cls, task: Task) -> Pupil:
        """That of a set with seed 0.

        Raises:
            CorpusError: the setting cannot be had.
            FitError, LearnError: the pictures do not do.
        """
        subject = Subject.of(task)
        return cls.learned(subject, subject.good, subject.pictures.part, subject.tested)

    @classmethod
    @torch.no_grad()
    def learned(cls, subject: Subject, good: Numbers, part: Sequence[int], asked: Numbers) -> Pupil:
        """That of a set with seed 0, of other pictures: those in the places of its good ones.

        Args:
            subject: the set.
            good: numbers of the pictures to fit on, [n].
            part: number of the part that each of them shows, [n].
            asked: numbers of the pictures to ask about, [m].

        Raises:
            FitError, LearnError: the pictures do not do.
        """
        distances, encoder = subject.learned(0, good, part, asked), subject.encoder
        count, shown = len(good), [*good.tolist(), *asked.tolist()]
        model = known_model(distances, subject.known.layers, shown, encoder)
        height, width = encoder.config.input_size

        def load(path: Path) -> NDArray[np.uint8]:
            return numbered(int(path.name), width, height)

        paths = [Path(str(number)) for number in range(len(shown))]
        features = PictureFeatures(paths[:count], load, model, compute())
        cells = good_cells(model, features, distances.out_of_fold.pictures)
        looked = tuple(looked_at(model, paths[count:], load, compute()))
        tested_from = len(subject.good)
        names, defective = subject.pictures.tested_names, subject.defective[asked - tested_from]
        defects = np.flatnonzero(defective)
        others, tested = halves([names[number - tested_from] for number in asked[defects]])
        return cls(
            name=subject.pictures.name,
            good=GoodParts.of(model, distances.out_of_fold, cells),
            alone=answered(distances, encoder).limits,
            looked=looked,
            oddest=OddestCells.joined(
                [OddestCells.of(one.cells, one.oddness, None) for one in looked]
            ),
            defective=defective,
            tested=defects[tested],
            others=defects[others],
        )

    @property
    def asked(self) -> Numbers:
        """Numbers of the pictures that tell: the test's defects, then the good ones."""
        return np.concatenate([self.tested, self.good_pictures])

    @property
    def good_pictures(self) -> Numbers:
        """Numbers of the good ones among the tested pictures."""
        return np.flatnonzero(~self.defective)

    def seen(self, numbers: Numbers) -> list[Looked]:
        """What the bank sees in some pictures."""
        return [self.looked[number] for number in numbers.tolist()]

    def by_bank(self, numbers: Numbers, alpha: float) -> NDArray[np.bool_]:
        """Which of the pictures the bank alone rejects."""
        return at(self.alone[alpha], self.seen(numbers))

    def judged(self, alpha: float, count: int, draw: int) -> Numbers:
        """The defects of a draw, ascending."""
        found = self.by_bank(self.others, alpha)
        return np.sort(drawn(self.others[~found], self.others[found], count, draw))

    def head(self, judged: Numbers, alpha: float, good: GoodParts | None = None) -> ScaledHead:
        """The head that some judged pictures teach, by all good parts unless others are given."""
        return ScaledHead.of(good or self.good, self.oddest.some(judged.tolist()), alpha)

    def is_left_out(self, head: ScaledHead, judged: Numbers, alpha: float) -> bool:
        """Whether a teaching by the judged pictures leaves their head out."""
        oddest, part = self.oddest.some(judged.tolist()), range(len(judged))
        unseen = out_of_fold(self.good, head, oddest, self.seen(judged), part, alpha)
        return not HeadGain.of(unseen, Verdicts(unseen.score, self.by_bank(judged, alpha))).pays


def halves(names: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Numbers of the names in two halves, the same at any time; the second is the test.

    >>> [half.tolist() for half in halves(["test/a/1.png", "test/a/2.png", "test/b/1.png"])]
    [[0, 2], [1]]
    """
    order = np.array(
        sorted(range(len(names)), key=lambda one: hashlib.sha256(names[one].encode()).hexdigest()),
        np.int64,
    )
    return np.sort(order[::2]), np.sort(order[1::2])


def drawn(missed: Numbers, found: Numbers, count: int, draw: int) -> Numbers:
    """So many of the numbers at random, the missed ones first; all if there are fewer.

    The draws of a number hold those of the same number that are smaller.
    """
    random = np.random.default_rng(draw)
    return np.concatenate([random.permutation(missed), random.permutation(found)])[:count]


def at(pair: ThresholdPair, looked: Sequence[Looked]) -> NDArray[np.bool_]:
    """Which pictures the bank alone rejects at some thresholds."""
    score = np.array([one.bank_score for one in looked], np.float32)
    peak = np.array([one.bank_peak for one in looked], np.float32)
    return Verdicts.at(pair, score, peak).anomalous


def measure_taught(task: Task, asked: Asked) -> TaughtFigures:
    """What is asked of a set.

    Raises:
        CorpusError: the setting cannot be had.
        FitError, LearnError: the pictures do not do.
    """
    with task.setting.applied():
        pupil = Pupil.of(task)
        heads = _Heads(pupil)
        return TaughtFigures(
            pupil.name,
            len(pupil.good.cells.parts),
            tuple(_lessons(heads, asked.draws)),
            tuple(_wrong(heads, asked.draws)) if asked.wrong else (),
            tuple(_splits(pupil, asked)) if asked.splits else None,
        )


class _Heads:
    """Which of the asked pictures are rejected by bank and heads; each head is learned once.

    Args:
        pupil: the bank and its pictures.
    """

    def __init__(self, pupil: Pupil) -> None:
        self.pupil = pupil
        self._known: dict[tuple[float, bytes], NDArray[np.bool_]] = {}

    def lesson(self, alpha: float, count: int, draws: Sequence[Numbers]) -> Lesson:
        """What the heads of some draws do."""
        pupil = self.pupil
        before = pupil.by_bank(pupil.asked, alpha)
        judged = min(count, len(pupil.others))
        after = np.stack([self._rejects(draw, alpha) for draw in draws])
        return Lesson.of(alpha, count, judged, before, after, len(pupil.tested))

    def _rejects(self, judged: Numbers, alpha: float) -> NDArray[np.bool_]:
        key = alpha, judged.tobytes()
        if key not in self._known:
            self._known[key] = self._by(self.pupil.head(judged, alpha), judged, alpha)
        return self._known[key]

    def _by(self, head: ScaledHead, judged: Numbers, alpha: float) -> NDArray[np.bool_]:
        """By bank and head, or by the bank alone where the teaching leaves the head out."""
        pupil = self.pupil
        if pupil.is_left_out(head, judged, alpha):
            return pupil.by_bank(pupil.asked, alpha)
        return head.verdicts(pupil.good, pupil.seen(pupil.asked)).anomalous


def _lessons(heads: _Heads, draws: int) -> Iterator[Lesson]:
    pupil = heads.pupil
    for alpha in pupil.alone:
        for count in COUNTS:
            judged = [pupil.judged(alpha, count, draw) for draw in range(draws)]
            yield heads.lesson(alpha, count, judged)


def _wrong(heads: _Heads, draws: int) -> Iterator[WrongLesson]:
    """The most judged ones, and the same with good pictures in the place of a tenth of them."""
    pupil, count = heads.pupil, max(COUNTS)
    for alpha in pupil.alone:
        right, mixed = [], []
        for draw in range(draws):
            judged = pupil.judged(alpha, count, draw)
            random = np.random.default_rng((draw, 1))
            wrong = max(1, round(WRONG * len(judged) / count))
            kept = random.choice(judged, len(judged) - wrong, replace=False)
            mistaken = random.choice(pupil.good_pictures, wrong, replace=False)
            right.append(judged)
            mixed.append(np.sort(np.concatenate([kept, mistaken])))
        yield WrongLesson(heads.lesson(alpha, count, right), heads.lesson(alpha, count, mixed))


def _splits(pupil: Pupil, asked: Asked) -> Iterator[SplitRates]:
    """One half of the good parts makes head and thresholds, and the other one is asked.

    No head is left out: it is its calibration that is measured.
    """
    good = pupil.good
    parts = len(good.cells.parts)
    both: dict[float, list[float]] = {
        alpha: [] for alpha in pupil.alone if parts // 2 >= needed_for(alpha)
    }
    bank: dict[float, list[float]] = {alpha: [] for alpha in both}
    for split in range(asked.splits) if both else ():
        order = np.random.default_rng(split).permutation(parts)
        half, rest = some_of(good, np.sort(order[: parts // 2])), np.sort(order[parts // 2 :])
        seen = [_as_looked(good, part) for part in rest.tolist()]
        for alpha in both:
            judged = pupil.judged(alpha, max(COUNTS), split % asked.draws)
            said = pupil.head(judged, alpha, half).verdicts(half, seen)
            both[alpha].append(float(said.anomalous.mean()))
            alone = joint_thresholds(half.bank_score, half.bank_peak, alpha)
            bank[alpha].append(float(at(alone, seen).mean()))
    for alpha, rates in both.items():
        yield SplitRates(alpha, parts // 2, tuple(rates), tuple(bank[alpha]))


def some_of(good: GoodParts, chosen: Numbers) -> GoodParts:
    """Some of the good parts whose cells are kept, as if there were no others."""
    cells = GoodCells(tuple(range(len(chosen))), good.cells.cells[chosen])
    parts = np.array(good.cells.parts)[chosen]
    return GoodParts(cells, GoodStatistics.of(cells), good.bank_score[parts], good.bank_peak[parts])


def _as_looked(good: GoodParts, kept: int) -> Looked:
    part = good.cells.parts[kept]
    score, peak = float(good.bank_score[part]), float(good.bank_peak[part])
    return Looked(good.cells.cells[kept], torch.empty(0), score, peak, score, peak)
