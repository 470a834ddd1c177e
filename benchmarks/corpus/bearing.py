"""What movement a model bears: good pictures rejected and defects found, moved as a line does it.

Learned are the middles of the good pictures, tested the moved middles of some others. `moves.py`
has the movements. What is undecided would count as rejected if the part is good and as not found if
it is defective; a model that was just learned decides always.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.figures import rates_of
from benchmarks.corpus.fitted import answered
from benchmarks.corpus.measuring import Task
from benchmarks.corpus.moved import MovedSet, movements
from benchmarks.corpus.moves import AS_IT_IS
from benchmarks.corpus.results import made_now
from benchmarks.corpus.running import Run, run_each
from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.table import NONE, markdown
from takt.core.host import processor_name
from takt.core.intervals import ShareInterval, exact_interval

ALPHA = 0.05

FAR_ABOVE = 0.15
"""A set is named where even the lower bound of its rejected share lies so far above the unmoved."""


@dataclass(frozen=True)
class Borne:
    """What a model does to the pictures that show a movement.

    Attributes:
        good: number of different good pictures.
        rejected: share of them, mean over seeds and, where a picture shows several, over these.
        defective: number of different defective pictures.
        found: share of them.
        auroc: of the scores.
    """

    good: int
    rejected: float
    defective: int
    found: float
    auroc: float

    @property
    def bounds(self) -> ShareInterval:
        """The exact 95 % interval of the rejected share; of fractions the nearest count's."""
        return exact_interval(round(self.rejected * self.good), self.good)


@dataclass(frozen=True)
class SetBorne:
    """What a set's models bear.

    Attributes:
        name: of the set.
        learned: number of good pictures that were learned.
        size: width x height of the input.
        core_s: processor seconds of pictures, fits and answers; few where they were kept.
        movements: by name.
    """

    name: str
    learned: int
    size: str
    core_s: float
    movements: Mapping[str, Borne]


@dataclass(frozen=True)
class MovesResult:
    """What models of a setting bear.

    Attributes:
        name: of the result.
        setting: what was set, by name; empty for the defaults.
        choosing: whether the movements are those by which choices are made.
        seeds: number of seeds.
        sets: by name.
        made_at: date and time, UTC.
        made_with: versions, and the commit.
        machine: processor that ran it.
    """

    name: str
    setting: Mapping[str, Any]
    choosing: bool
    seeds: int
    sets: Mapping[str, SetBorne]
    made_at: str
    made_with: Mapping[str, str]
    machine: str = field(default_factory=processor_name)

    def save(self, folder: Path) -> Path:
        """Writes the result's file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = file_of(self.name, folder)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> MovesResult:
        """Reads a result.

        Raises:
            CorpusError: the file is no such result.
        """
        try:
            plain = json.loads(path.read_bytes())
            sets = {name: _set_of(one) for name, one in plain["sets"].items()}
            return cls(**plain | {"sets": sets})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorpusError(f"{path} is no result of moves: {error}") from error


PREFIX = "moves-"


def file_of(name: str, folder: Path) -> Path:
    """The file of a result in a folder."""
    return folder / f"{PREFIX}{name}.json"


def measured(asked: Run, name: str, *, choosing: bool) -> MovesResult:
    """What the models of all sets bear.

    Raises:
        CorpusError: the setting cannot be had.
        FitError, PicturesError: a set does not do.
    """
    sets = run_each(asked, partial(measure_moves, choosing=choosing))
    return MovesResult(name, asked.setting.values, choosing, asked.seeds, sets, *made_now())


def measure_moves(task: Task, *, choosing: bool) -> SetBorne:
    """Learns a set's middles with each seed, and inspects the moved ones.

    Raises:
        CorpusError: the setting cannot be had.
        FitError, PicturesError: the pictures do not do.
    """
    started_s = time.process_time()
    with task.setting.applied():
        moved = MovedSet.of(task, movements(choosing=choosing))
        moved.layers()
        by_seed = [_borne(moved, seed) for seed in range(task.seeds)]
        config = moved.subject.encoder.config
        return SetBorne(
            name=task.root.name,
            learned=len(moved.subject.good),
            size=f"{config.width}x{config.height}",
            core_s=time.process_time() - started_s,
            movements={name: _mean([one[name] for one in by_seed]) for name in by_seed[0]},
        )


def _borne(moved: MovedSet, seed: int) -> dict[str, Borne]:
    subject = moved.subject
    distances = subject.learned(seed)
    asked = replace(distances, tested=moved.distances(distances))
    answers = answered(asked, subject.encoder, moved.new_content())
    limits = {ALPHA: answers.limits[ALPHA]}
    pictures = np.array([one.picture for one in moved.shown])
    names = np.array([moved.moved[one.movement].name for one in moved.shown])
    defective = subject.defective[pictures]
    found = {}
    for name in dict.fromkeys(one.name for one in moved.moved):
        some = names == name
        scores, shows = answers.scores[some], defective[some]
        (rates,) = rates_of(limits, scores, answers.peaks[some], shows)
        found[name] = Borne(
            good=_different(pictures[some & ~defective]),
            rejected=rates.rejected,
            defective=_different(pictures[some & defective]),
            found=rates.found,
            auroc=float(roc_auc_score(shows, scores)),
        )
    return found


def _different(pictures: NDArray[np.int64]) -> int:
    return len(np.unique(pictures))


def _mean(seeds: Sequence[Borne]) -> Borne:
    return Borne(
        seeds[0].good,
        fmean(one.rejected for one in seeds),
        seeds[0].defective,
        fmean(one.found for one in seeds),
        fmean(one.auroc for one in seeds),
    )


def report(result: MovesResult) -> str:
    """A row for each movement: means over the sets, and each set."""
    sets = result.sets.values()
    rows, far = [], []
    for name in next(iter(sets)).movements:
        every = {one.name: one.movements[name] for one in sets}
        rejected = round(sum(one.rejected * one.good for one in every.values()))
        pooled = exact_interval(rejected, sum(one.good for one in every.values()))
        rows.append(
            [
                name,
                f"**{_percent(_mean_of(every.values(), 'rejected'))}**",
                f"{_percent(pooled.low)} to {_percent(pooled.high)}",
                _percent(_mean_of(every.values(), "found")),
                f"{_mean_of(every.values(), 'auroc'):.3f}",
                *(f"{_whole(one.rejected)} / {_whole(one.found)}" for one in every.values()),
            ]
        )
        for one in sets:
            beyond = one.movements[AS_IT_IS].rejected + FAR_ABOVE
            if every[one.name].bounds.low > beyond:
                far.append(f"{one.name} under {name}")
    head = ["movement", "good rejected", "95 %, pooled", "found", "AUROC", *result.sets]
    times = ", ".join(f"{one.name} {one.core_s:.0f}" for one in sets)
    return "\n\n".join(
        [
            f"good rejected / found at α = {ALPHA:.0%}, per cent",
            markdown(head, rows),
            f"even the lower bound lies {100 * FAR_ABOVE:.0f} points above the unmoved: "
            + ("; ".join(far) or "nowhere"),
            f"core seconds: {times}",
        ]
    )


def comparison(former: MovesResult, result: MovesResult) -> str:
    """Means over the sets that both have, before and after.

    Raises:
        CorpusError: they have no set in common, or other movements.
    """
    common = [name for name in former.sets if name in result.sets]
    if not common or former.choosing != result.choosing:
        raise CorpusError(f"{former.name} has other sets, or other movements, than {result.name}")
    rows = []
    for name in result.sets[common[0]].movements:
        before = [former.sets[one].movements.get(name) for one in common]
        known = [one for one in before if one is not None]
        after = [result.sets[one].movements[name] for one in common]
        rows.append(
            [name, *(_change(known, after, figure) for figure in ("rejected", "found", "auroc"))]
        )
    head = ["movement", "good rejected", "found", "AUROC"]
    title = f"{former.name} → {result.name}: {', '.join(common)}"
    return f"{title}\n\n{markdown(head, rows)}"


def _change(before: Sequence[Borne], after: Sequence[Borne], figure: str) -> str:
    now = _mean_of(after, figure)
    form = "{:.3f}".format if figure == "auroc" else _percent
    if len(before) < len(after):
        return f"{NONE} → {form(now)}"
    then = _mean_of(before, figure)
    return f"{form(then)} → {form(now)}"


def _mean_of(sets: Any, figure: str) -> float:
    return fmean(getattr(one, figure) for one in sets)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _whole(share: float) -> str:
    return f"{100 * share:.0f}"


def _set_of(plain: dict[str, Any]) -> SetBorne:
    moved = {name: Borne(**one) for name, one in plain["movements"].items()}
    return SetBorne(**plain | {"movements": moved})
