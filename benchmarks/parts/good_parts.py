"""How many good parts of several views are rejected, and what becomes of a missing view.

    python -m benchmarks.parts.good_parts DATA/deeppcb DATA/elpv_mono --splits 40

No set of ours shows a part in several views, so parts are made up: a part of n views is n good
pictures of one set, drawn by chance. Its views then have nothing to do with each other, in which
case n views reject most good parts; views that show one part together reject fewer.

The good pictures of a set are split at random, again and again. A PatchCore is fitted to some, as
`takt fit patchcore` does but with a small bank, and their out-of-fold scores are its calibration.
Of the others, which it has not seen, parts are made, many times over. A recipe's thresholds judge
each view at α/n, as one model judges them all, `OpenParts` gives each part its result, and one part
in ten lacks a view. What else the views could be judged by, and what that finds, is counted by
`benchmarks.parts.found_parts`.

The interval of a set is that of the mean over its splits, by Student's t: it says what chance the
splits leave, which share their pictures, and nothing of another lot. Ends with 1 where more than
α + 0.5 points of good parts are rejected, a part has not exactly one result, or one that lacks a
view is not undecided.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.patchcore.splits import Split, Task, fit_and_judge, kept_of, known_set
from service.core.bundles.bundle import Bundle, Calibration, load_bundle
from service.core.bundles.conformal import needed_for
from service.core.domain import VerdictName
from service.multiview.open_parts import OpenParts, ViewWish
from service.multiview.recipe import PartRecipe, RecipeRevision, RecipeView, ViewThresholds
from service.multiview.result import PartResult, SeenView
from service.multiview.view_thresholds import thresholds_of_views

VIEWS = (2, 4)
ALPHAS = (0.01, 0.02, 0.05)
ALLOWED = 0.005
"""By how much a rate may exceed α."""

BANK, CANDIDATES = 1000, 20_000
PAIRINGS = 20
"""Times that the judged pictures of a split are made into parts."""

MISSING = 10
"""Every so manyeth part lacks a view."""

_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Counted:
    """What became of the parts of one split.

    Attributes:
        whole: good parts with all of their views.
        rejected: of these, those that were a defect.
        lacking: parts that lack a view.
        wrong: parts without exactly one result, or that lack a view and are not undecided.
    """

    whole: int
    rejected: int
    lacking: int
    wrong: int


def counted(split: Split, bundle: Bundle, alpha: float, views: int) -> Counted:
    """Make parts of a split's judged pictures, and count what becomes of them."""
    good, judged = (np.array(both, np.float32) for both in (split.good, split.judged))
    calibrated = replace(bundle, calibration=Calibration(good[0], good[1], _NONE, _NONE))
    thresholds = thresholds_of_views([calibrated] * views, alpha)
    recipe = PartRecipe(
        7,
        alpha,
        1000.0,
        tuple(RecipeView(f"v{n}", "m", "1", "", one, {}) for n, one in enumerate(thresholds)),
    )
    revision = RecipeRevision("made-up", 1, recipe, 0, "benchmark", None)
    results: list[PartResult] = []
    parts = OpenParts(lambda: 0.0, lambda: 0, results.append)
    rng = np.random.default_rng(split.number)
    lacking: set[str] = set()
    made = 0
    for pictures in _parts(rng, judged.shape[1], views):
        part, made = f"P{made}", made + 1
        shown = pictures[:-1] if made % MISSING == 0 else pictures
        if len(shown) < views:
            lacking.add(part)
        for view, picture in zip(recipe.views, shown, strict=False):
            claim = parts.claim(ViewWish(part, view.name, "made-up", part), lambda _: revision)
            parts.take(claim, _seen(view, judged[:, picture]))
        parts.end(part)
    numbers = Counter(one.part for one in results)
    undecided = {one.part for one in results if one.reason == "missing_view"}
    whole = [one for one in results if one.part not in lacking]
    return Counted(
        len(whole),
        sum(one.verdict == "defect" for one in whole),
        len(lacking),
        sum(numbers[f"P{one}"] != 1 for one in range(made)) + len(lacking ^ undecided),
    )


def _parts(rng: np.random.Generator, count: int, views: int) -> Iterator[NDArray[np.int64]]:
    for _ in range(PAIRINGS):
        order = rng.permutation(count)
        yield from order[: count - count % views].reshape(-1, views)


def _seen(view: RecipeView, witnesses: NDArray[np.float32]) -> SeenView:
    score, peak = (float(one) for one in witnesses)
    return SeenView(view.name, "", "m", "1", _verdict(view.thresholds, score, peak), score, 0, None)


def _verdict(thresholds: ViewThresholds, score: float, peak: float) -> VerdictName:
    return "defect" if score > thresholds.image or peak > thresholds.pixel else "good"


def on_one_thread() -> None:
    """Computes on one thread in this process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _split(task: Task, number: int) -> Split:
    return fit_and_judge(known_set(task), task, number)


def _splits(task: Task, count: int, processes: int) -> list[Split]:
    kept = kept_of(task, known_set(task))
    with ProcessPoolExecutor(processes, get_context("spawn"), on_one_thread) as pool:
        missing = kept.missing(count)
        for split in pool.map(_split, [task] * len(missing), missing):
            kept.add(split)
    return kept.splits(count)


def _row(name: str, views: int, alpha: float, found: Sequence[Counted]) -> tuple[str, bool]:
    rates = np.array([one.rejected / one.whole for one in found])
    mean, count = float(rates.mean()), len(rates)
    half = float(student.ppf(0.975, count - 1) * rates.std(ddof=1) / count**0.5)
    wrong, lacking = sum(one.wrong for one in found), sum(one.lacking for one in found)
    met = mean <= alpha + ALLOWED and not wrong
    return (
        f"| {name} | {views} | {100 * alpha:g} | {sum(one.whole for one in found)} "
        f"| {100 * mean:.2f} | {100 * max(0.0, mean - half):.2f} to {100 * (mean + half):.2f} "
        f"| {lacking} | {wrong} | {'met' if met else 'MISSED'} |"
    ), met


def main() -> None:
    """Fit what is not kept yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--processes", type=int, default=1, help="each on one thread")
    given = parser.parse_args()
    on_one_thread()
    bundle = load_bundle(Path("examples/models/pitting/1"))
    print("| set | views | α, % | parts | rejected, % | 95 % | lack a view | wrong | bar |")
    print("|---" * 9 + "|")
    missed = False
    for root in given.sets:
        splits = _splits(Task(root, BANK, CANDIDATES), given.splits, given.processes)
        known = len(splits[0].good[0])
        for views in VIEWS:
            for alpha in ALPHAS:
                if known < needed_for(alpha / views):
                    print(
                        f"| {root.name} | {views} | {100 * alpha:g} | refused: {known} pictures |"
                    )
                    continue
                found = [counted(split, bundle, alpha, views) for split in splits]
                row, met = _row(root.name, views, alpha, found)
                print(row, flush=True)
                missed = missed or not met
    print("bar 4, good parts:", "MISSED" if missed else "met")
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
