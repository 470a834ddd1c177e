"""Good pictures of further lots: how many are rejected, and whether the limit of lots holds.

    python -m benchmarks.lots DATA --splits 10

Of the sets whose files name a lot, half of the lots are learned, at random, again and again, and
pictures of the other lots are judged: once by a model that `takt learn` makes with lots held apart,
and once by one that takes each picture for itself. The encoder runs once for each picture.

A limit covers if the share of the other lots' good pictures that is rejected, all of them together,
lies at or below it. What is found of the set's defects stands beside it, with lots held apart and
without; as pictures of a part that `--group` names are held apart in the same way, that is also
what `--group` costs where the parts are these.

Scores are kept in `out/lots` as they come, and the next run goes on from there.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.splits import (
    MOST_FITTED,
    MOST_JUDGED,
    KnownSet,
    Task,
    code_digest,
    fit_known,
    good_pictures,
    known_set,
    witnesses_of,
)
from takt.core.bundles.next_lot import NextLot
from takt.core.bundles.witnesses import anomalous
from takt_export.calibration.cross_conformal import joint_thresholds
from takt_export.calibration.lots import Lots, lots_of
from takt_export.calibration.next_lot import ScoresByLot

OUT = Path("out/lots")
ALPHA = 0.05
RULES = {
    "bsdata_pitting": r"_(\d{6})\d{6}_",
    "aitex_fabric03": r"f03_(\d+)_",
    "deeppcb": r"(\d{5})\d{3}\.",
    "paper_piped": r"(PA_.*)_\d\.",
    "road_crackforest": r"(r\d+)_",
}
"""What names a lot in each set: the day, the roll, the layout, the sheet, the photograph."""

Witnesses = list[list[float]]
"""Scores and peaks of pictures, [2,n]."""


@dataclass(frozen=True)
class Split:
    """What models of some of the lots say.

    Attributes:
        number: of the split.
        lots: name of each fitted picture's lot.
        apart: what each fitted picture scores without its lot, out of fold.
        apart_others: what good pictures of other lots score.
        apart_defects: what the defects score.
        single: the same three where each picture is taken for itself.
        single_others: see there.
        single_defects: see there.
    """

    number: int
    lots: list[str]
    apart: Witnesses
    apart_others: Witnesses
    apart_defects: Witnesses
    single: Witnesses
    single_others: Witnesses
    single_defects: Witnesses

    @property
    def next_lot(self) -> NextLot:
        """What the learned lots tell of the next one at `ALPHA`."""
        score, peak = np.array(self.apart, np.float32)
        known = ScoresByLot(Lots(tuple(self.lots)), score, peak, are_unseen=True)
        return known.next_lot(joint_thresholds(score, peak, ALPHA), ALPHA)

    @property
    def rates(self) -> tuple[float, float, float, float]:
        """Rejected and found with lots held apart, then without."""
        return (
            *_rates(self.apart, self.apart_others, self.apart_defects),
            *_rates(self.single, self.single_others, self.single_defects),
        )


def _rates(good: Witnesses, others: Witnesses, defects: Witnesses) -> tuple[float, float]:
    score, peak = np.array(good, np.float32)
    pair = joint_thresholds(score, peak, ALPHA)
    rejected, found = (
        float(anomalous(pair, *np.array(one, np.float32)).mean()) for one in (others, defects)
    )
    return rejected, found


@torch.no_grad()
def split_of(task: Task, known: KnownSet, number: int) -> Split:
    """Fits to some of the lots, with these held apart and without, and judges the others."""
    names = lots_of(good_pictures(task.root), re.compile(RULES[task.root.name])).of
    fitted, judged = dealt(names, number)
    defects = [*range(known.good, len(known.layers[0]))]
    fitted_lots = [names[picture] for picture in fitted]
    found: list[Witnesses] = []
    for apart in (fitted_lots, None):
        filled = fit_known(known, task, fitted, number, apart)
        found.append(witnesses_of(filled.model, filled.out_of_fold.maps))
        found += [
            witnesses_of(filled.model, known.maps(filled.model, one)) for one in (judged, defects)
        ]
    return Split(number, fitted_lots, *found)


def dealt(names: Sequence[str], number: int) -> tuple[list[int], list[int]]:
    """Good pictures to learn from and to judge, in an order of chance; no lot has both.

    Args:
        names: name of each picture's lot.
        number: of the split.
    """
    random = np.random.default_rng((number, 48))
    lots = random.permutation(sorted({*names})).tolist()
    learned = {*lots[: len(lots) // 2]}
    order = random.permutation(len(names)).tolist()
    fitted = [picture for picture in order if names[picture] in learned]
    judged = [picture for picture in order if names[picture] not in learned]
    return fitted[:MOST_FITTED], judged[:MOST_JUDGED]


def row_of(name: str, splits: Sequence[Split]) -> str:
    """The row of a set: means over its splits."""
    next_lots = [split.next_lot for split in splits]
    rates = np.array([split.rates for split in splits])
    covered = sum(
        one.limit is not None and share <= one.limit
        for one, share in zip(next_lots, rates[:, 0], strict=True)
    )
    limits = [one.limit for one in next_lots if one.limit is not None]
    limit = f"{100 * np.mean(limits):.1f}" if limits else "none"
    rejected, found, rejected_single, found_single = (100 * rates.mean(axis=0)).tolist()
    return (
        f"| {name} | {np.mean([one.lots for one in next_lots]):.0f} | {covered} of {len(splits)} "
        f"| {limit} | {rejected:.1f} | {rejected_single:.1f} | {found:.1f} | {found_single:.1f} "
        f"| {100 * found / max(found_single, 1e-9):.0f} |"
    )


class Kept:
    """The splits of a set that were fitted before, a line of JSON each."""

    def __init__(self, task: Task) -> None:
        self._path = task.out / f"{task.root.name}-{task.size or 'usual'}-{code_digest()}.jsonl"
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        # A run that was cut off leaves half a line.
        whole = (Split(**json.loads(line)) for line in lines if line.endswith("}"))
        self.splits = {split.number: split for split in whole}

    def add(self, split: Split) -> None:
        """Keeps a split."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write("\n" + json.dumps(asdict(split)) + "\n")
        self.splits[split.number] = split


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _split(task: Task, number: int) -> Split:
    return split_of(task, known_set(task), number)


def _fit(tasks: Sequence[Task], kept: Sequence[Kept], splits: int, processes: int) -> None:
    with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
        running = {
            pool.submit(_split, task, number): one
            for number in range(splits)
            for task, one in zip(tasks, kept, strict=True)
            if number not in one.splits
        }
        try:
            for done in as_completed(running):
                running[done].add(done.result())
        finally:
            pool.shutdown(cancel_futures=True)


def table(kept: dict[str, Kept], splits: int) -> Iterator[str]:
    """The table over the sets."""
    yield (
        "| set | lots | limit covers | limit, % | rejected of other lots, % | without lots "
        "| found, % | without lots | of that, % |"
    )
    yield "|---" * 9 + "|"
    for name, one in kept.items():
        known = [one.splits[number] for number in range(splits) if number in one.splits]
        yield row_of(name, known) if known else f"| {name} | nothing is kept |"


def main() -> None:
    """Fit what is not kept yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--only", nargs="*", choices=[*RULES], default=[*RULES], help="sets")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1, help="each on one thread")
    parser.add_argument("--size", type=int, help="side of the input; as `takt fit` if left out")
    given = parser.parse_args()
    tasks = [Task(given.data / name, size=given.size, out=OUT) for name in given.only]
    kept = {task.root.name: Kept(task) for task in tasks}
    _fit(tasks, [*kept.values()], given.splits, given.processes)
    print("\n".join(table(kept, given.splits)))


if __name__ == "__main__":
    main()
