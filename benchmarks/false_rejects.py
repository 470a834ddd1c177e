"""False rejects of a bank's thresholds on real pictures: many fits, each on other pictures.

    python -m benchmarks.false_rejects DATA/deeppcb DATA/bsdata_pitting --splits 200 --processes 2

All good pictures of a set, of `train/good` and `test/good`, are split at random, again and again: a
PatchCore is fitted anew to some of them, as `takt fit patchcore` does, and others are judged by the
thresholds that `takt export onnx` would take. The encoder runs once for each picture.

A picture is rejected if its score or a region of its map exceeds its threshold. The interval of a
set is that of the mean over its splits, by Student's t; it says what chance the splits leave, not
what another lot of pictures of the same line would give. Beside it stands how many of the set's
defects are found at the same thresholds.

The last table compares the price of α, as learning prints it with 95 % intervals, with what is
counted on pictures that it was not made of: the judged good ones, and every other of the defects.

Scores are kept in `out/false-rejects` as they come, and the next run goes on from there; thresholds
are found anew from them each time. Another model, fit or setting has a file of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.splits import Split, Task, fit_and_judge, kept_of, known_set
from takt.core.bundles.conformal import needed_for
from takt.core.intervals import exact_interval
from takt_export.calibration.self_test import ALPHAS as PRICED
from takt_models.fit.patchcore.features import CANDIDATES

ALPHAS = (0.01, 0.02, 0.05)
ALLOWED_MEAN = 0.005
"""By how much the mean over the sets may exceed α."""


@dataclass(frozen=True)
class Rates:
    """Shares of a set's pictures that are anomalous, over its splits.

    Attributes:
        name: of the set.
        fitted: good pictures that each split fits to.
        alpha: rate that the thresholds aim at.
        splits: number of splits.
        rejected: mean share of the judged good pictures.
        low: lower end of its 95 % interval.
        high: upper end.
        found: mean share of the defects.
    """

    name: str
    fitted: int
    alpha: float
    splits: int
    rejected: float
    low: float
    high: float
    found: float

    @classmethod
    def of(cls, name: str, splits: Sequence[Split], alpha: float) -> Rates:
        """The rates over at least one split."""
        rejected, found = np.array([split.rates(alpha) for split in splits]).T
        mean, count = float(rejected.mean()), len(splits)
        half = (
            float(student.ppf(0.975, count - 1) * rejected.std(ddof=1) / count**0.5)
            if count > 1
            else mean
        )
        fitted = len(splits[0].good[0])
        return cls(
            name,
            fitted,
            alpha,
            count,
            mean,
            max(0.0, mean - half),
            mean + half,
            float(found.mean()),
        )

    @property
    def met(self) -> bool:
        """Whether chance alone may have lifted the mean above α."""
        return self.low <= self.alpha


@dataclass(frozen=True)
class Counted:
    """Pictures of some kind, and how many of them are rejected."""

    rejected: int
    pictures: int

    @classmethod
    def of(cls, rejected: NDArray[np.bool_]) -> Counted:
        """The count of verdicts [n]."""
        return cls(int(rejected.sum()), len(rejected))

    def holds(self, other: Counted) -> bool:
        """Whether the interval holds the bare share of other pictures."""
        mine = exact_interval(self.rejected, self.pictures)
        return mine.low <= other.rejected / other.pictures <= mine.high

    def overlaps(self, other: Counted) -> bool:
        """Whether the intervals have a share in common."""
        mine = exact_interval(self.rejected, self.pictures)
        its = exact_interval(other.rejected, other.pictures)
        return mine.low <= its.high and its.low <= mine.high


@dataclass(frozen=True)
class PriceCell:
    """A cell of the price of α, and the same counted on pictures that it was not made of."""

    printed: Counted
    other: Counted


def price_cells(split: Split) -> Iterator[PriceCell]:
    """The cells of a split: good pictures rejected, then given defects found, at each rate."""
    for alpha in PRICED:
        if len(split.good[0]) < needed_for(alpha):
            continue
        good, judged, defects = split.verdicts(alpha)
        yield PriceCell(Counted.of(good), Counted.of(judged))
        if len(defects) > 1:
            yield PriceCell(Counted.of(defects[::2]), Counted.of(defects[1::2]))


def row_of_prices(name: str, cells: Sequence[PriceCell]) -> str:
    """How many cells agree, in a row."""
    overlapping, holding = (
        100 * float(np.mean(agrees))
        for agrees in (
            [one.printed.overlaps(one.other) for one in cells],
            [one.printed.holds(one.other) for one in cells],
        )
    )
    return f"| {name} | {len(cells)} | {overlapping:.1f} | {holding:.1f} |"


def rows_of_set(rates: Sequence[Rates]) -> Iterator[str]:
    """The rows of a set's table."""
    for one in rates:
        yield (
            f"| {one.name} | {one.fitted} | {one.splits} | {100 * one.alpha:g} "
            f"| {100 * one.rejected:.2f} | {100 * one.low:.2f} to {100 * one.high:.2f} "
            f"| {100 * one.found:.1f} | {'met' if one.met else 'MISSED'} |"
        )


def rows_of_all(rates: Sequence[Rates]) -> Iterator[str]:
    """The rows of the last table: the means over the sets, and whether the bar is met."""
    for alpha in ALPHAS:
        sets = [one for one in rates if one.alpha == alpha]
        if not sets:
            continue
        rejected = float(np.mean([one.rejected for one in sets]))
        wrong = [one.name for one in sets if not one.met]
        if rejected > alpha + ALLOWED_MEAN:
            wrong.insert(0, "the mean")
        bar = f"MISSED ({', '.join(wrong)})" if wrong else "met"
        found = 100 * float(np.nanmean([one.found for one in sets]))
        yield f"| {100 * alpha:g} | {len(sets)} | {100 * rejected:.2f} | {found:.1f} | {bar} |"


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _encode(task: Task) -> tuple[int, int]:
    """The sides of a set's input; its features are on disk then."""
    height, width = known_set(task).encoder.config.input_size
    return width, height


def _split(task: Task, number: int) -> Split:
    return fit_and_judge(known_set(task), task, number)


def _fit(tasks: Sequence[Task], splits: int, processes: int) -> None:
    """Fits to the splits that are not kept yet, one of each set in turn."""
    with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
        for task, (width, height) in zip(tasks, pool.map(_encode, tasks), strict=True):
            print(f"{task.root.name}: features of {width}x{height}", flush=True)
        kept = {task: kept_of(task, known_set(task)) for task in tasks}
        todo = [
            (task, number)
            for number in range(splits)
            for task in tasks
            if number in kept[task].missing(splits)
        ]
        running = {pool.submit(_split, task, number): task for task, number in todo}
        try:
            for count, done in enumerate(as_completed(running), 1):
                kept[running[done]].add(done.result())
                if count % 50 == 0:
                    print(f"{count} of {len(todo)} splits", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> None:
    """Fit what is not kept yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1, help="each on one thread")
    parser.add_argument("--bank-size", type=int, default=Task.bank_size)
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help="fewer are faster")
    parser.add_argument("--size", type=int, help="side of the input; as `takt fit` if left out")
    parser.add_argument("--kept", action="store_true", help="tell what is kept, and fit nothing")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    tasks = [Task(root, given.bank_size, given.candidates, given.size) for root in given.sets]
    if not given.kept:
        _fit(tasks, given.splits, given.processes)
    rates: list[Rates] = []
    cells: dict[str, list[PriceCell]] = {}
    print("\n| set | fitted | splits | α, % | rejected, % | 95 % | found, % | lower end |")
    print("|---" * 8 + "|")
    for task in tasks:
        splits = kept_of(task, known_set(task)).splits(given.splits)
        allowed = [a for a in ALPHAS if splits and len(splits[0].good[0]) >= needed_for(a)]
        of_set = [Rates.of(task.root.name, splits, alpha) for alpha in allowed]
        print("\n".join(rows_of_set(of_set)) or f"| {task.root.name} | nothing is kept |")
        rates += of_set
        cells[task.root.name] = [cell for split in splits for cell in price_cells(split)]
    print("\n| α, % | sets | rejected, mean, % | found, mean, % | bar |\n|---|---|---|---|---|")
    print("\n".join(rows_of_all(rates)))
    print(
        "\n| set | cells | intervals overlap, % | interval holds the share, % |\n|---|---|---|---|"
    )
    for name, some in cells.items():
        print(row_of_prices(name, some) if some else f"| {name} | nothing is kept |")
    if every := [cell for some in cells.values() for cell in some]:
        print(row_of_prices("all", every))
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in rates], indent=1))


if __name__ == "__main__":
    main()
